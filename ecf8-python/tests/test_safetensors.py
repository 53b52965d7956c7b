"""`ecf8.safe_open` against safetensors' own on the file that a container was made from."""

import copy
import pickle
import sys

import numpy as np
import pytest
from conftest import same
from safetensors import safe_open as plain_open

import ecf8

INDICES = [
    ...,
    slice(None),
    slice(3, 17),
    slice(-20, -3),
    slice(5, 5),
    slice(None, 5),
    (slice(None), slice(1, 2)),
    (slice(2, 9), slice(0, 3)),
    (slice(2, 9), 1),
    7,
    -1,
    (3, slice(1, 3)),
]


def test_every_method_gives_what_safetensors_gives(mixed):
    path, out = mixed
    with plain_open(path, "pt") as a, ecf8.safe_open(out, "pt") as b:
        assert list(a.keys()) == b.keys()
        assert a.offset_keys() == b.offset_keys()
        assert a.metadata() == b.metadata() == {"format": "pt", "who": "tests"}
        everything = b.get_tensors()
        assert everything.keys() == a.get_tensors().keys()
        for name in a.keys():
            assert same(a.get_tensor(name), b.get_tensor(name)), name
            assert same(a.get_tensor(name), everything[name]), name
            one, other = a.get_slice(name), b.get_slice(name)
            assert (one.get_shape(), one.get_dtype()) == (other.get_shape(), other.get_dtype())


@pytest.mark.parametrize("name", ["a.weight", "b.weight", "big.weight", "half", "c64", "f32"])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_slices_are_those_of_safetensors(mixed, name, index):
    path, out = mixed
    with plain_open(path, "pt") as a, ecf8.safe_open(out, "pt") as b:
        one, other = a.get_slice(name)[index], b.get_slice(name)[index]
        assert same(one, other) and other.is_contiguous()
        assert same(a.get_tensor(name)[index], other)


def test_indices_beyond_a_tensor_are_refused(mixed):
    with ecf8.safe_open(mixed[1], "pt") as file:
        part = file.get_slice("a.weight")
        for index in (300, -301, (0, 257), (0, 0, 0)):
            with pytest.raises(IndexError):
                part[index]


def test_a_slice_holds_no_more_memory_than_itself(mixed):
    with ecf8.safe_open(mixed[1], "pt") as file:
        for index in (slice(3, 5), (slice(None), slice(0, 2)), 4):
            part = file.get_slice("big.weight")[index]
            assert part.untyped_storage().nbytes() == part.nbytes


def test_arrays_of_numpy_are_the_same(container, arrays):
    with ecf8.safe_open(container, framework="np") as file:
        assert file.keys() == sorted(arrays)
        for name, array in arrays.items():
            found = file.get_tensor(name)
            assert (found.dtype, found.shape) == (array.dtype, array.shape) and (found == array).all(), name
        assert (file.get_slice("bytes")[3:9, 2] == arrays["bytes"][3:9, 2]).all()


def test_a_tensor_that_is_not_there_is_a_key_error(container):
    with ecf8.safe_open(container, framework="np") as file:
        for method in (file.get_tensor, file.get_slice):
            with pytest.raises(KeyError, match="no such tensor"):
                method("no such tensor")


def test_a_closed_file_says_so_and_its_slices_stay_good(container, arrays):
    with ecf8.safe_open(container, framework="np") as file:
        part = file.get_slice("ids")
    assert (part[2:4] == arrays["ids"][2:4]).all()
    with pytest.raises(ecf8.Error, match="is closed"):
        file.get_tensor("ids")


def test_plain_files_are_opened_by_safetensors_itself(mixed):
    with ecf8.safe_open(mixed[0], framework="pt") as file:
        assert type(file) is plain_open


def test_files_that_are_neither_are_refused(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert not ecf8.is_container(path)
    with pytest.raises(ecf8.Error, match="not a safetensors file"):
        ecf8.safe_open(path, framework="np")
    with pytest.raises(FileNotFoundError) as error:
        ecf8.safe_open(tmp_path / "nowhere", framework="np")
    assert error.value.filename == str(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        ecf8.safe_open(tmp_path, framework="np")


def test_other_frameworks_and_options_are_refused(container):
    with pytest.raises(ValueError, match="framework"):
        ecf8.safe_open(container, framework="tf")
    with pytest.raises(TypeError, match="frontend"):
        ecf8.safe_open(container, framework="np", frontend="mmap")
    ecf8.safe_open(container, framework="np", backend="mmap")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"])
def test_files_and_slices_survive_being_copied(container, arrays, copied):
    file = ecf8.safe_open(container, framework="np")
    assert (copied(file).get_tensor("ids") == arrays["ids"]).all()
    assert (copied(file.get_slice("bytes"))[5:7] == arrays["bytes"][5:7]).all()


def test_tensors_are_on_the_cpu_whatever_the_default_device_is(mixed, torch):
    with torch.device("meta"), ecf8.safe_open(mixed[1], framework="pt") as file:
        assert file.get_tensor("a.weight").device.type == "cpu"


def test_rows_decode_little_more_than_themselves(mixed):
    """Rows of a large tensor at its end come in a fraction of the time of all of it."""
    import time

    import ecf8.numpy

    big = np.random.default_rng(0).binomial(40, 0.5, (4096, 4096)).astype(np.uint8)
    path = mixed[1] + ".rows"
    ecf8.numpy.save_file({"w": big}, path)
    part = ecf8.safe_open(path, framework="np").get_slice("w")
    assert (part[-3:] == big[-3:]).all()

    def took(index) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            part[index]
            times.append(time.perf_counter() - began)
        return min(times)

    assert took(slice(-8, None)) < took(...) / 10


def test_modules_that_hold_safe_open_are_patched_and_restored(mixed, torch):
    import safetensors
    import safetensors.torch

    path, out = mixed
    with ecf8.patched() as changed:
        assert {"safetensors", "safetensors.torch"} <= set(changed)
        assert safetensors.safe_open is ecf8.safe_open
        a, b = safetensors.torch.load_file(path), safetensors.torch.load_file(out)
        assert a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
        with ecf8.patched() as changed:
            assert changed == []
        assert safetensors.safe_open is ecf8.safe_open
    assert safetensors.safe_open is plain_open and safetensors.torch.safe_open is plain_open
    with pytest.raises(RuntimeError), ecf8.patched():
        raise RuntimeError
    assert safetensors.safe_open is plain_open


def test_a_patch_for_good_stays(tmp_path):
    import subprocess

    code = """
import safetensors, ecf8
assert "safetensors" in ecf8.patch() and ecf8.patch() == []
with ecf8.patched(): pass
assert safetensors.safe_open is ecf8.safe_open
"""
    subprocess.run([sys.executable, "-c", code], check=True)
