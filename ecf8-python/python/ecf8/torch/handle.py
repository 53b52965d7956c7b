"""The layers of one model, their compressed weights and the buffer that they share."""

import itertools
import weakref
from dataclasses import dataclass, field

import torch
from torch import nn

from .. import _ecf8
from .parameter import CompressedParameter, CompressedWeightError

# Kernels load 16 bytes at a time, and torch's own allocations are aligned to at least this.
ALIGNMENT = 256
# By number, so that `ecf8::decode` can name one in a compiled graph. From 2 on, as compilers make a graph of its own for 0 and 1.
HANDLES = weakref.WeakValueDictionary()
_NUMBERS = itertools.count(2)


@dataclass(eq=False)
class Weight:
    """One compressed weight, and where it is used."""

    names: list[str]  # of a tied weight several
    owners: list[tuple[nn.Module, str]]  # modules that have it, and under which attribute
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool  # what it was before
    encoded: object = None  # `_ecf8.Encoded`, of its bytes in the order in which they lie in memory
    offset: int = 0  # in bytes, in the buffer
    group: "Group | None" = None
    parameter: CompressedParameter | None = None

    @property
    def name(self):
        return self.names[0]

    @property
    def end(self):
        """Where the next weight may begin in the buffer."""
        return self.offset + -(-self.encoded.nbytes // ALIGNMENT) * ALIGNMENT

    @property
    def handle(self):
        return self.group.handle

    def require(self):
        self.handle.require(self.group)

    def owns(self, tensor):
        """Whether a tensor is a view of the buffer that this weight lies in."""
        return self.handle.slot_of(tensor) is not None

    def view(self, buffer):
        part = buffer[self.offset : self.offset + self.encoded.nbytes]
        return part.view(self.dtype).as_strided(self.shape, self.strides)

    def dense(self):
        """The weight in memory of its own."""
        with torch.no_grad():
            return self.parameter.clone()

    def set(self, parameter):
        for module, attribute in self.owners:
            module._parameters[attribute] = parameter


@dataclass(eq=False)
class Group:
    """What is decoded together, into the same buffer: the weights of one layer."""

    name: str
    index: int
    handle: "Handle"
    weights: list[Weight] = field(default_factory=list)
    bytes: int = 0  # in the buffer, gaps for alignment included


@dataclass(eq=False)
class Slot:
    """A buffer, and whose weights are in it."""

    buffer: torch.Tensor
    now: Group | None = None
    # The layer whose block is running.
    inside: Group | None = None
    # Whether a graph capture has recorded a decoding into it. Replaying the graph writes the buffer, which nobody here sees, so
    # from then on only what a running block has decoded itself counts as decoded.
    recorded: bool = False


class Handle:
    """A model's compressed weights.

    `layers` are the names of its layers, `bytes` what its weights take, `dense_bytes` what they took before and
    `buffer_bytes` the size of the buffer (of all buffers) into which they are decoded.
    """

    def __init__(self, groups: dict[str, list[Weight]], device, buffers: int = 1, share: list[Slot] | None = None):
        if buffers not in (1, 2):
            raise ValueError(f"buffers is {buffers}: one buffer, or two that layers use in turn")
        self.number = next(_NUMBERS)
        HANDLES[self.number] = self
        self.device = torch.device(device)
        self.decodes = 0
        # The layer whose block is being traced by a compiler, whose weights are decoded already: see hooks.py.
        self.traced = None
        self.groups = []
        self._hooks = []
        # From 2 on for the same reason: one graph then serves all blocks.
        for index, (name, weights) in enumerate(groups.items(), start=2):
            group = Group(name, index, self, weights)
            for weight in weights:
                weight.group, weight.offset = group, group.bytes
                group.bytes = weight.end
            self.groups.append(group)
        self._slots = []
        self._buffers = buffers
        self._shared = [] if share is None else share
        self._place()

    @property
    def layers(self) -> list[str]:
        return [group.name for group in self.groups]

    @property
    def weights(self):
        return (weight for group in self.groups for weight in group.weights)

    @property
    def bytes(self) -> int:
        return sum(weight.encoded.stored_nbytes for weight in self.weights)

    @property
    def dense_bytes(self) -> int:
        return sum(weight.encoded.nbytes for weight in self.weights)

    @property
    def buffer_bytes(self) -> int:
        return sum(slot.buffer.nbytes for slot in self._slots)

    def stats(self) -> dict[str, int]:
        """How many layers there are, what they take, and how often one has been decoded."""
        return {
            "layers": len(self.groups),
            "weights": sum(len(group.weights) for group in self.groups),
            "bytes": self.bytes,
            "dense_bytes": self.dense_bytes,
            "buffer_bytes": self.buffer_bytes,
            "decodes": self.decodes,
        }

    def decode(self, layer) -> None:
        """Puts a layer's weights into the buffer. `layer` is its name, or its place in `layers`."""
        self._decode(self.groups[self.layers.index(layer) if isinstance(layer, str) else layer])

    def detach(self) -> None:
        """Gives the model its dense weights back and forgets it."""
        dense = [(weight, weight.dense()) for weight in self.weights]
        self._settle()
        for weight, tensor in dense:
            parameter = nn.Parameter(tensor, requires_grad=weight.requires_grad)
            # What somebody has put in a weight's place stays.
            weight.owners = [(m, a) for m, a in weight.owners if m._parameters.get(a) is weight.parameter]
            weight.set(parameter)
        for hook in self._hooks:
            hook()
        self._hooks.clear()
        HANDLES.pop(self.number, None)

    def require(self, group: Group) -> None:
        """Has a layer's weights in the buffer, decoded if they may not be there."""
        slot = self.slot(group)
        is_seen = not slot.recorded and not self._is_capturing()
        if slot.now is not group or not (is_seen or slot.inside is group):
            self._decode(group)

    def enter(self, group: Group) -> None:
        """Has a layer's weights in the buffer while its block runs."""
        slot = self.slot(group)
        slot.inside = None
        self.require(group)
        slot.inside = group

    def leave(self, group: Group) -> None:
        self.slot(group).inside = None

    def slot(self, group: Group) -> Slot:
        return self._slots[group.index % self._buffers]

    def slot_of(self, tensor) -> Slot | None:
        """The buffer that a tensor is a view of."""
        if tensor.device != self.device:
            return None
        address = tensor.untyped_storage().data_ptr()
        return next((slot for slot in self._slots if slot.buffer.untyped_storage().data_ptr() == address), None)

    def move(self, device) -> None:
        """Has the weights decoded on another device from now on."""
        device = torch.device(device)
        if device.type == "meta":
            raise CompressedWeightError(f"weight `{self.groups[0].weights[0].name}` is compressed and cannot go to the meta device")
        self._settle()
        self.device = device
        self._place()

    def _place(self):
        """Makes the buffers and the decoder on the handle's device, and has the parameters be views of them."""
        if self.device.type == "cuda" and self.device.index is None:
            self.device = torch.device("cuda", torch.cuda.current_device())
        layers = [[(w.name, w.offset, w.encoded) for w in group.weights] for group in self.groups]
        self._parts = []
        self._decoder = _ecf8.Decoder(str(self.device), layers, self._allocate if self.device.type == "cuda" else None)
        # Kernels put the weights of a launch where they like.
        for index, group in enumerate(self.groups):
            for weight, place in zip(group.weights, self._decoder.places(index)):
                weight.offset = place
            group.bytes = max((weight.end for weight in group.weights), default=0)
        # Tensors that are made in inference mode cannot be used outside it.
        with torch.inference_mode(False), torch.no_grad():
            self._slots = []
            for at in range(self._buffers):
                self._slots.append(self._slot_with(max((g.bytes for g in self.groups if g.index % self._buffers == at), default=0)))
            for weight in self.weights:
                view = weight.view(self.slot(weight.group).buffer)
                if weight.parameter is None:
                    weight.parameter = CompressedParameter(view, weight)
                else:
                    with torch._C.DisableTorchFunctionSubclass():
                        weight.parameter.data = view

    def _allocate(self, nbytes: int) -> int:
        """Memory on the GPU for compressed weights, which torch counts as its own. It is called on another thread."""
        with torch.inference_mode(False), torch.cuda.device(self.device):
            part = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            # What torch gives may still be used by what it queued before.
            torch.cuda.synchronize(self.device)
        self._parts.append(part)
        return part.data_ptr()

    def _settle(self) -> None:
        """Waits until nothing reads the compressed weights any more, before they are let go."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _slot_with(self, size: int) -> Slot:
        """A buffer of at least `size` bytes: one of those that are shared, or another."""
        for slot in self._shared:
            if slot.buffer.device == self.device and slot.buffer.nbytes >= size and slot not in self._slots:
                return slot
        self._shared.append(Slot(torch.empty(size, dtype=torch.uint8, device=self.device)))
        return self._shared[-1]

    def _is_capturing(self):
        return self.device.type == "cuda" and torch.cuda.is_current_stream_capturing()

    def _decode(self, group: Group):
        slot = self.slot(group)
        index = group.index - self.groups[0].index
        # Whoever fails to decode leaves nothing that could be taken for a layer.
        slot.now = None
        if self.device.type == "cuda":
            stream = torch.cuda.current_stream(self.device).cuda_stream
            self._decoder.decode_at(index, slot.buffer.data_ptr(), slot.buffer.nbytes, stream)
        else:
            self._decoder.decode(index, slot.buffer.numpy())
        # Autograd keeps weights for the backward pass. With this it notices that they have been overwritten.
        torch.autograd.graph.increment_version(slot.buffer)
        slot.now = group
        slot.recorded |= self._is_capturing()
        self.decodes += 1


def handles_of(model):
    """The handles of a model and all its parts, each once."""
    seen = set()
    for module in model.modules():
        for parameter in module._parameters.values():
            if isinstance(parameter, CompressedParameter) and parameter.ecf8.handle not in seen:
                seen.add(parameter.ecf8.handle)
                yield parameter.ecf8.handle


def handle_of(model) -> Handle | None:
    """The handle of a model, or of the first of its parts that has one; `None` where all weights are dense."""
    return next(handles_of(model), None)
