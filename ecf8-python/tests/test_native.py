"""The compiled module: buffers that fit, tensors in memory, layers in one buffer."""

import ast
import copy
from pathlib import Path

import numpy as np
import pytest

import ecf8
from conftest import numbers
from ecf8 import _ecf8
from ecf8._ecf8 import Decoder, Encoded, File, encode_all


def raw(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def decoded(encoded: Encoded) -> np.ndarray:
    out = np.empty(encoded.nbytes, np.uint8)
    encoded.decode_into(out)
    return out


def bf16(array: np.ndarray) -> np.ndarray:
    """The upper halves of numbers, which are BF16."""
    return np.ascontiguousarray(array.astype(np.float32).reshape(-1).view(np.uint16)[1::2]).view(np.uint8)


def test_the_stubs_name_what_is_there():
    stub = ast.parse((Path(_ecf8.__file__).parent / "_ecf8.pyi").read_text())
    names = {node.name for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert names == {name for name in dir(_ecf8) if not name.startswith("_")}
    for node in stub.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef) and each.name[:2] != "__"}
            real = {name for name in dir(getattr(_ecf8, node.name)) if not name.startswith("_")}
            assert methods == real, node.name
            for each in node.body:
                if isinstance(each, ast.FunctionDef) and each.name[:2] != "__":
                    assert ast.get_docstring(each), each.name
    assert (Path(_ecf8.__file__).parent / "py.typed").exists()


def test_a_file_tells_what_its_tensors_are(container, arrays):
    file = File(container)
    assert file.path == container and len(file) == len(arrays) and "ids" in file and "none such" not in file
    assert sorted(file.names()) == sorted(arrays) and file.metadata() == {"who": "tests"}
    for name, array in arrays.items():
        assert (file.shape(name), file.nbytes(name)) == (list(array.shape), array.nbytes)
        assert file.is_compressed(name) == (file.stored_nbytes(name) < array.nbytes)
    assert file.dtype("layers.1.weight") == "F16" and file.is_compressed("layers.1.weight")
    for method in (file.dtype, file.shape, file.nbytes, file.is_compressed, file.stored_nbytes, file.encoded):
        with pytest.raises(KeyError, match="none such"):
            method("none such")


def test_arrays_that_do_not_fit_are_refused_with_both_lengths(container):
    file = File(container)
    bytes_ = file.nbytes("ids")
    for length in (0, bytes_ - 1, bytes_ + 1):
        for call in (lambda out: file.decode_into("ids", out), file.encoded("ids").decode_into):
            with pytest.raises(ValueError, match=rf"\b{length} bytes.*\b{bytes_}\b") as error:
                call(np.empty(length, np.uint8))
            assert not isinstance(error.value, ecf8.Error)
    with pytest.raises(ValueError, match=r"\b81 bytes.*\b80\b"):
        file.decode_all_into([("scalar", np.empty(8, np.uint8)), ("ids", np.empty(81, np.uint8))])
    with pytest.raises(KeyError):
        file.decode_all_into([("none such", np.empty(8, np.uint8))])
    read_only = np.empty(bytes_, np.uint8)
    read_only.flags.writeable = False
    wrong = [np.empty(bytes_, np.int8), np.empty((bytes_, 1), np.uint8), np.empty(2 * bytes_, np.uint8)[::2], read_only, b"x" * bytes_]
    for out in wrong:
        with pytest.raises((TypeError, ValueError)):
            file.decode_into("ids", out)


@pytest.mark.parametrize("name", ["layers.0.weight", "layers.1.weight", "ids", "bytes"])
def test_a_range_of_bytes_is_that_of_the_tensor(container, arrays, name):
    file, data = File(container), raw(arrays[name])
    for first, count in ((0, len(data)), (0, 0), (8, 16), (len(data) - 8, 8), (len(data) // 16 * 8, 64)):
        if first + count > len(data):
            continue
        out = np.empty(count, np.uint8)
        file.decode_range_into(name, first, out)
        assert (out == data[first : first + count]).all()
    for first, count in ((len(data) - 8, 16), (2**63, 8), (2**64 - 8, 16)):
        with pytest.raises(ecf8.Error, match=f"{len(data)} bytes"):
            file.decode_range_into(name, first, np.empty(count, np.uint8))


def test_ranges_that_cut_numbers_are_refused(container):
    with pytest.raises(ecf8.Error, match="whole numbers") as error:
        File(container).decode_range_into("layers.1.weight", 1, np.empty(4, np.uint8))
    assert error.value.tensor == "layers.1.weight"


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        ("BF16", bf16(numbers(512, 300))),
        ("F32", raw(numbers(512, 300))),
        ("F16", raw(numbers(512, 300).astype(np.float16))),
        ("F8_E4M3", np.random.default_rng(0).binomial(16, 0.5, 512 * 300).astype(np.uint8)),
        ("I64", raw(np.arange(512 * 300))),
    ],
)
def test_what_is_encoded_in_memory_comes_back(dtype, data):
    encoded = Encoded.encode(data, dtype, [512, 300])
    assert encoded.is_compressed and encoded.stored_nbytes < encoded.nbytes == len(data) and encoded.scheme
    assert (encoded.dtype, encoded.shape) == (dtype, [512, 300])
    assert (decoded(encoded) == data).all() and (decoded(copy.deepcopy(encoded)) == data).all()


def test_what_cannot_be_made_smaller_is_kept():
    noise = np.random.default_rng(0).integers(0, 256, 4096, np.uint8)
    for data, shape in ((noise, [64, 64]), (noise[:1], [1]), (noise[:0], [0, 7])):
        encoded = Encoded.encode(data, "U8", shape)
        assert not encoded.is_compressed and encoded.stored_nbytes == len(data) and encoded.scheme is None
        assert (decoded(encoded) == data).all()


def test_tensors_of_one_dtype_get_one_scheme():
    tensors = [("w", "BF16", [256, 256], bf16(numbers(256, 256, scale=scale))) for scale in (0.001, 0.02, 0.5, 3)]
    encoded = encode_all([*tensors, ("u", "U8", [0], np.empty(0, np.uint8))], threads=1)
    assert len({one.scheme for one in encoded[:4]}) == 1
    for one, (_, _, _, data) in zip(encoded, tensors, strict=False):
        assert (decoded(one) == data).all()


def test_a_scheme_may_be_named():
    data = bf16(numbers(512, 300))
    assert Encoded.encode(data, "BF16", [512, 300], scheme="byte-lanes", optimize="size").scheme == "byte-lanes"
    for options in ({"scheme": "zip"}, {"optimize": "all"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Encoded.encode(data, "BF16", [512, 300], **options)


def test_bytes_that_are_not_those_of_dtype_and_shape_are_refused():
    data = np.zeros(64, np.uint8)
    for dtype, shape in (("BF16", [64]), ("F4", [3]), ("BF16", [2**63, 2]), ("F128", [4])):
        with pytest.raises(ValueError, match="tensor"):
            Encoded.encode(data, dtype, shape)
    with pytest.raises((TypeError, ValueError)):
        Encoded.encode(data.reshape(8, 8), "U8", [8, 8])


def test_layers_are_decoded_to_their_places_and_nowhere_else(container):
    file = File(container)
    memory = Encoded.encode(bf16(numbers(256, 256)), "BF16", [256, 256])
    of = file.encoded
    layers = [
        [("f16", 512, of("layers.1.weight")), ("f32", 420608, of("layers.0.weight"))],
        [("memory", 256, memory), ("ids", 131328 + 256, of("ids")), ("none", 0, of("none"))],
        [],
    ]
    decoder, out = Decoder("cpu", layers), np.empty(800_000, np.uint8)
    assert len(decoder) == 3
    for layer, tensors in enumerate(layers):
        out[:] = 0xEE
        decoder.decode(layer, out)
        is_free = np.ones(len(out), bool)
        for _, at, encoded in tensors:
            assert (out[at : at + encoded.nbytes] == decoded(encoded)).all()
            is_free[at : at + encoded.nbytes] = False
        assert (out[is_free] == 0xEE).all()


def test_decoders_refuse_what_does_not_fit(container):
    ids = File(container).encoded("ids")
    with pytest.raises(ValueError, match="'?\"?b\"?'? overlap"):
        Decoder("cpu", [[("a", 0, ids), ("b", 79, ids)]])
    decoder = Decoder("cpu", [[("a", 0, ids), ("b", 80, ids)]])
    with pytest.raises(ValueError, match="159 bytes.*160"):
        decoder.decode(0, np.empty(159, np.uint8))
    with pytest.raises(IndexError):
        decoder.decode(1, np.empty(160, np.uint8))
    with pytest.raises(ecf8.Error, match="cpu"):
        decoder.decode_at(0, 0, 160, 0)
    with pytest.raises(ecf8.Error, match="tpu"):
        Decoder("tpu", [])


def test_damage_names_file_and_tensor(tmp_path):
    import ecf8.numpy

    bad = tmp_path / "bad.safetensors"
    ecf8.numpy.save_file({"w": numbers(1500, 1500)}, bad)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    file, out = File(bad), np.empty(9_000_000, np.uint8)
    calls = (lambda: file.decode_into("w", out), lambda: file.encoded("w").decode_into(out), lambda: file.decode_all_into([("w", out)]))
    for call in calls:
        with pytest.raises(ecf8.Damaged) as error:
            call()
        assert (error.value.path, error.value.tensor) == (str(bad), "w")
