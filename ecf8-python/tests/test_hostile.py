"""Damaged containers: an exception that programs expect, or the right bytes."""

import os

import numpy as np
import pytest

import ecf8
import ecf8.numpy

FLIPS, CUTS = 30, 6


def everything(path: str) -> dict[str, np.ndarray]:
    """All tensors of a file, and some rows of each."""
    tensors = ecf8.numpy.load_file(path)
    with ecf8.safe_open(path, framework="np") as file:
        rows = {f"{name}, rows": file.get_slice(name)[1:3] for name in file.keys() if file.get_slice(name).get_shape()}
    return tensors | rows


def is_same(a, b) -> bool:
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and a[name].shape == b[name].shape and a[name].tobytes() == b[name].tobytes() for name in a
    )


def test_a_flipped_bit_is_an_error_or_harmless(container, tmp_path):
    data, good = open(container, "rb").read(), everything(container)
    random, bad = np.random.default_rng(0), str(tmp_path / "bad.safetensors")
    header = int.from_bytes(data[:8], "little")
    places = [4, 9, 100, 8 + header // 2, len(data) // 2, len(data) - 3]
    places += list(random.integers(8, len(data), FLIPS - len(places)))
    errors = 0
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(random.integers(8))
        open(bad, "wb").write(flipped)
        try:
            found = everything(bad)
        except ecf8.Error as error:
            assert bad in str(error) and "\n" not in str(error)
            errors += 1
        else:
            assert is_same(found, good), f"wrong bytes without an error: byte {place} was flipped"
    assert errors > FLIPS // 2


def test_rows_of_a_damaged_tensor_are_an_error(container, tmp_path):
    """There is no checksum of rows, so what is stored is checked before."""
    data, bad = bytearray(open(container, "rb").read()), str(tmp_path / "bad.safetensors")
    # Whatever byte is damaged, some tensor's rows cannot be right.
    header = 8 + int.from_bytes(data[:8], "little")
    for place in range(header, len(data) - 2000, (len(data) - header) // 12):
        data[place] ^= 0x10
        open(bad, "wb").write(data)
        failed = []
        with ecf8.safe_open(bad, framework="np") as file:
            for name in file.keys():
                if file.get_slice(name).get_shape() and "none" not in name:
                    try:
                        file.get_slice(name)[0:1]
                    except ecf8.Damaged:
                        failed.append(name)
        assert failed, place
        data[place] ^= 0x10


def test_a_cut_file_is_an_error(container, tmp_path):
    data, bad = open(container, "rb").read(), str(tmp_path / "bad.safetensors")
    cuts = (0, 7, 8, 100, len(data) // 3, len(data) - 1)
    assert len(cuts) == CUTS
    for cut in cuts:
        open(bad, "wb").write(data[:cut])
        for call in (everything, ecf8.verify, ecf8.inspect, lambda path: ecf8.decompress(path, tmp_path / "out")):
            with pytest.raises(ecf8.Error):
                call(bad)
    assert os.listdir(tmp_path) == ["bad.safetensors"]


def test_a_file_that_is_cut_while_it_is_open_is_an_error(container, tmp_path):
    """Reading a mapped file beyond its end would end the interpreter."""
    path = str(tmp_path / "cut.safetensors")
    open(path, "wb").write(open(container, "rb").read())
    file = ecf8.safe_open(path, framework="np")
    os.truncate(path, 4096)
    with pytest.raises(ecf8.Error, match="changed while it was read"):
        file.get_tensors()


def test_the_command_survives_the_same(container, tmp_path, capfd):
    from ecf8._ecf8 import run_cli

    bad = str(tmp_path / "bad.safetensors")
    data = bytearray(open(container, "rb").read())
    data[len(data) // 2] ^= 1
    open(bad, "wb").write(data)
    assert run_cli(["verify", bad]) == 1
    assert capfd.readouterr().err.startswith("ecf8: ")
