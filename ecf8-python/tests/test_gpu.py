"""Layers decoded by the generated kernels: on the emulator, and on a simulated GPU in memory and on a stream of the caller's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ecf8
from ecf8 import _ecf8

LAYERS = [
    [("z.weight", "F8_E4M3", (300, 257)), ("a.weight", "F8_E4M3", (64, 75)), ("half", "BF16", (33, 100))],
    [("last.weight", "F8_E4M3", (1, 5000))],
]


def array(seed: int, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes as weights of a dtype have them: few exponents, any mantissa."""
    random = np.random.default_rng(seed)
    count = int(np.prod(shape))
    mantissas = random.integers(0, 8, count) | random.integers(0, 2, count) << 7
    exponents = random.binomial(15, 0.4, count)
    if dtype == "BF16":
        high = 0x38 + (exponents >> 1) | mantissas & 0x80
        return np.stack([random.integers(0, 256, count), high], 1).astype(np.uint8).reshape(-1)
    return (exponents << 3 | mantissas).astype(np.uint8)


def layers() -> tuple[list[list[tuple[str, int, _ecf8.Encoded]]], dict[str, np.ndarray]]:
    """The layers as a decoder takes them, and what each tensor must be."""
    expected, made = {}, []
    for layer in LAYERS:
        made.append([])
        for name, dtype, shape in layer:
            expected[name] = array(len(expected), dtype, shape)
            encoded = _ecf8.Encoded.encode(expected[name], dtype, shape, scheme="pair-lanes")
            assert encoded.is_compressed
            made[-1].append((name, 0, encoded))
    return made, expected


def check(decoder: _ecf8.Decoder, layer: int, decoded: np.ndarray, expected: dict[str, np.ndarray]) -> None:
    places = decoder.places(layer)
    assert len(places) == len(LAYERS[layer]) and all(place % 256 == 0 for place in places)
    for (name, _, _), place in zip(LAYERS[layer], places):
        assert np.array_equal(decoded[place : place + expected[name].size], expected[name]), name


def test_the_emulator_decodes_what_the_cpu_decodes():
    made, expected = layers()
    decoder = _ecf8.Decoder("emulator", made)
    assert len(decoder) == 2 and decoder.launches(1) == 1
    # A launch for each dtype.
    assert decoder.launches(0) == 2
    for layer in (1, 0, 1):
        decoded = np.zeros(200_000, np.uint8)
        decoder.decode(layer, decoded)
        check(decoder, layer, decoded, expected)
    assert decoder.verify() == sum(array.size for array in expected.values())
    with pytest.raises(IndexError):
        decoder.decode(2, np.zeros(200_000, np.uint8))
    with pytest.raises(ValueError, match="give a larger one"):
        decoder.decode(0, np.zeros(100, np.uint8))
    with pytest.raises(ecf8.Error, match="array"):
        decoder.decode_at(0, 0, 100, 0)


def test_what_is_no_device_and_what_is_not_compressed_is_refused():
    made, _ = layers()
    with pytest.raises(ValueError, match="no device"):
        _ecf8.Decoder("tpu", made)
    noise = np.random.default_rng(0).integers(0, 256, 4096).astype(np.uint8)
    kept = _ecf8.Encoded.encode(noise, "F8_E4M3", [4096])
    assert not kept.is_compressed
    with pytest.raises(ValueError, match="only compressed ones"):
        _ecf8.Decoder("emulator", [[("noise", 0, kept)]])


def test_torch_finds_weights_where_kernels_put_them(torch, monkeypatch):
    import ecf8.torch as et
    from ecf8.torch import handle

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            # Kernels decode those of one dtype together, so they are not in the order of their names.
            for name, dtype in (("a", torch.bfloat16), ("b", torch.float16), ("c", torch.bfloat16)):
                setattr(self, name, torch.nn.Linear(96, 96, bias=False, dtype=dtype))

        def forward(self, x):
            for linear in (self.a, self.b, self.c):
                x = linear(x.to(linear.weight.dtype))
            return x

    torch.manual_seed(0)
    model = torch.nn.Sequential(Block(), Block())
    x = torch.randn(3, 96)
    expected = model(x)
    made, real = [], _ecf8.Decoder

    def emulated(device, layers, allocate=None):
        made.append(real("emulator", layers, allocate))
        return made[-1]

    monkeypatch.setattr(handle._ecf8, "Decoder", emulated)
    et.compress(model, dtypes=(torch.bfloat16, torch.float16), threshold=1)
    assert made[0].launches(0) == 2 and made[0].places(0)[1] > made[0].places(0)[2]
    assert torch.equal(model(x), expected) and torch.equal(model(x), expected)


def test_a_simulated_gpu_decodes_on_the_callers_stream_into_the_callers_memory(tmp_path):
    library = os.environ.get("ECF8_SIMCUDA")
    if not library:
        pytest.skip("skipped: ECF8_SIMCUDA names no simulated driver (test.sh builds one)")
    nvrtc = [Path(at) / "nvidia" for at in sys.path]
    nvrtc = [file for at in nvrtc for file in at.glob("*/lib/libnvrtc.so.1[23]")]
    if not nvrtc and os.environ.get("ECF8_REQUIRE_TORCH") != "1":
        pytest.skip("skipped: no NVRTC; pip install nvidia-cuda-nvrtc")
    for name in ("libcuda.so.1", "libnvrtc.so.13"):
        (tmp_path / name).symlink_to(library)
    variables = {
        "LD_LIBRARY_PATH": str(tmp_path),
        "ECF8_NVRTC": str(tmp_path / "libnvrtc.so.13"),
        "ECF8_SIM_NVRTC": str(nvrtc[0]),
        "ECF8_SIM_CACHE": str(tmp_path),
        "ECF8_CACHE": str(tmp_path / "cache"),
        "ECF8_SIM_LOG": "1",
    }
    child = subprocess.run([sys.executable, __file__], env=os.environ | variables, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-3000:]
    decoding = child.stderr.split("decoding now")[1].split("decoded")[0]
    calls = {call: decoding.count(f"simulated GPU: {call}: Ok") for call in ("cuLaunchKernel", *WAITS)}
    # Two dtypes, so two launches; and nothing that waits, or that a graph capture forbids.
    assert calls == {"cuLaunchKernel": 2} | dict.fromkeys(WAITS, 0), child.stderr


WAITS = ("cuStreamSynchronize", "cuEventSynchronize", "cuMemAlloc", "cuMemAllocAsync", "cuMemFree", "cuMemFreeAsync")


class Caller:
    """Another user of the driver in this process, as torch is one."""

    def __init__(self):
        import ctypes

        self.driver, self.c = ctypes.CDLL("libcuda.so.1"), ctypes
        self.call("cuInit", 0)
        self.context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), 0)
        self.call("cuCtxSetCurrent", self.context)
        self.taken = []

    def call(self, name, *arguments):
        code = getattr(self.driver, name)(*arguments)
        assert code == 0, f"{name}: {code}"

    def allocate(self, nbytes: int) -> int:
        # Whichever thread asks.
        self.call("cuCtxSetCurrent", self.context)
        address = self.c.c_uint64()
        self.call("cuMemAlloc_v2", self.c.byref(address), self.c.c_size_t(nbytes))
        self.taken.append((address.value, nbytes))
        return address.value

    def stream(self) -> int:
        stream = self.c.c_void_p()
        self.call("cuStreamCreate", self.c.byref(stream), 1)
        return stream.value

    def download(self, address: int, out: np.ndarray, stream: int) -> None:
        to = self.c.c_void_p(out.ctypes.data)
        self.call("cuMemcpyDtoHAsync_v2", to, self.c.c_uint64(address), self.c.c_size_t(out.nbytes), self.c.c_void_p(stream))
        self.call("cuStreamSynchronize", self.c.c_void_p(stream))


def on_a_gpu() -> None:
    caller = Caller()
    made, expected = layers()
    decoder = _ecf8.Decoder("cuda:0", made, allocate=caller.allocate)
    # Everything that is uploaded is in memory of the caller's, and the compressed weights are among it.
    assert sum(nbytes for _, nbytes in caller.taken) >= sum(e.stored_nbytes for layer in made for _, _, e in layer)
    stream, nbytes = caller.stream(), 200_000
    address = caller.allocate(nbytes)
    for layer in (0, 1):
        print("decoding now", file=sys.stderr, flush=True)
        decoder.decode_at(layer, address, nbytes, stream)
        print("decoded", file=sys.stderr, flush=True)
        decoded = np.zeros(nbytes, np.uint8)
        caller.download(address, decoded, stream)
        check(decoder, layer, decoded, expected)
    assert decoder.verify() == sum(array.size for array in expected.values())
    for wrong in ((0, address, 100, stream), (0, address + 8, nbytes, stream)):
        try:
            decoder.decode_at(*wrong)
        except ecf8.Error:
            continue
        raise AssertionError(f"{wrong} was not refused")

    def refuse(nbytes: int) -> int:
        raise RuntimeError(f"no room for {nbytes} bytes")

    try:
        _ecf8.Decoder("cuda:0", made, allocate=refuse)
    except ecf8.Error as error:
        assert "no room for" in str(error)
    else:
        raise AssertionError("memory that was not given was not missed")


if __name__ == "__main__":
    on_a_gpu()
