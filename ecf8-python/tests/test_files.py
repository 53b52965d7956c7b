"""Files and folders, compressed and restored."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest

import ecf8
import ecf8.numpy


@pytest.fixture
def plain(tmp_path, arrays) -> str:
    from safetensors.numpy import save_file

    save_file(arrays, tmp_path / "plain.safetensors", {"a": "b"})
    return str(tmp_path / "plain.safetensors")


def test_a_file_comes_back_byte_for_byte(plain, tmp_path):
    out, back = tmp_path / "out.safetensors", tmp_path / "back.safetensors"
    report = ecf8.compress(plain, out)
    assert report.output_bytes == os.path.getsize(out) < report.input_bytes == os.path.getsize(plain)
    assert report.ratio == report.output_bytes / report.input_bytes
    assert ecf8.is_container(out) and not ecf8.is_container(plain)
    assert ecf8.verify(out, against=plain) == os.path.getsize(plain)
    assert ecf8.decompress(out, back).output_bytes == os.path.getsize(plain)
    assert back.read_bytes() == open(plain, "rb").read()


def test_a_folder_comes_back_byte_for_byte(plain, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(plain, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    report = ecf8.compress(folder, tmp_path / "out")
    assert report.copied == ["config.json"] and [file["name"] for file in report.files] == ["model.safetensors"]
    assert ecf8.is_container(tmp_path / "out") and not ecf8.is_container(folder)
    ecf8.decompress(tmp_path / "out", tmp_path / "back")
    assert sorted(os.listdir(tmp_path / "back")) == sorted(os.listdir(folder))
    for name in os.listdir(folder):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()


def test_a_report_reads_well(plain, tmp_path):
    report = ecf8.compress(plain, tmp_path / "out.safetensors")
    assert f"{report.input_bytes:,} -> {report.output_bytes:,} bytes" in str(report)
    assert "<table>" in report._repr_html_() and "plain.safetensors" in report._repr_html_()


def test_inspect_tells_what_the_command_tells(container, capfd):
    from ecf8._ecf8 import run_cli

    assert run_cli(["inspect", container, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == ecf8.inspect(container)


def test_an_output_that_exists_stays_unless_it_may_be_replaced(plain, tmp_path):
    out = tmp_path / "out.safetensors"
    out.write_text("mine")
    with pytest.raises(FileExistsError):
        ecf8.compress(plain, out)
    assert out.read_text() == "mine"
    ecf8.compress(plain, out, overwrite=True)
    assert ecf8.is_container(out)


def test_options_are_checked(plain, tmp_path):
    out = tmp_path / "out.safetensors"
    for wrong in ({"scheme": "zip"}, {"optimize": "all"}, {"code_bits": 9}, {"threads": 0}, {"codebooks": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ecf8.compress(plain, out, **wrong)
    with pytest.raises(TypeError):
        ecf8.compress(plain, out, level=9)
    with pytest.raises(TypeError, match="level"):
        ecf8.numpy.save_file({}, out, level=9)
    assert not out.exists()
    ecf8.compress(plain, out, scheme="byte-lanes", optimize="size", codebooks=1, code_bits=12, threads=1)
    assert {tensor["scheme"] for tensor in ecf8.inspect(out)["tensors"]} == {"byte-lanes"}


def test_what_is_no_container_is_an_error_of_its_own(plain, container, tmp_path):
    for call in (ecf8.verify, ecf8.inspect, lambda path: ecf8.decompress(path, tmp_path / "out")):
        with pytest.raises(ecf8.NotAContainer) as error:
            call(plain)
        assert error.value.path == plain and isinstance(error.value, ValueError)
    with pytest.raises(ecf8.Error, match="compressed already"):
        ecf8.compress(container, tmp_path / "twice.safetensors")


def test_another_original_is_a_difference_with_its_place(container, arrays, tmp_path):
    other = {**arrays, "ids": arrays["ids"] + 1}
    from safetensors.numpy import save_file

    save_file(other, tmp_path / "other.safetensors", {"who": "tests"})
    with pytest.raises(ecf8.Damaged, match="ids"):
        ecf8.verify(container, against=tmp_path / "other.safetensors")


def test_progress_is_told_to_the_end(tmp_path):
    plain, out = tmp_path / "large.safetensors", tmp_path / "out.safetensors"
    from safetensors.numpy import save_file

    save_file({f"w{i}": np.random.default_rng(i).standard_normal((2000, 1000)) for i in range(8)}, plain)
    told: list[tuple[str, int, int]] = []
    ecf8.compress(plain, out, progress=lambda *step: told.append(step))
    assert all(0 <= done <= total for _, done, total in told)
    assert "compressing" in told[-1][0] and told[-1][1] == told[-1][2] > 0
    told.clear()
    ecf8.verify(out, progress=lambda *step: told.append(step))
    assert told[-1][1] == told[-1][2]


def test_an_exception_of_a_progress_function_ends_the_work_and_leaves_nothing(tmp_path):
    plain, out = tmp_path / "large.safetensors", tmp_path / "out.safetensors"
    from safetensors.numpy import save_file

    save_file({f"w{i}": np.random.default_rng(i).standard_normal((4000, 2000)) for i in range(8)}, plain)

    def enough(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        ecf8.compress(plain, out, progress=enough)
    assert os.listdir(tmp_path) == ["large.safetensors"]


def test_a_line_of_progress_is_written_to_standard_error(container, capsys):
    ecf8.verify(container, progress=True)
    assert "GB" in capsys.readouterr().err


def test_errors_are_pickled_with_their_places(container, tmp_path):
    data = bytearray(open(container, "rb").read())
    bad = tmp_path / "bad.safetensors"
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    with pytest.raises(ecf8.Damaged) as error:
        ecf8.verify(bad)
    copy = pickle.loads(pickle.dumps(error.value))
    assert (type(copy), str(copy), copy.path, copy.tensor) == (ecf8.Damaged, str(error.value), str(bad), error.value.tensor)
    assert "\n" not in str(copy)


def test_a_checkpoint_comes_back_from_its_difference_and_the_bases(plain, arrays, tmp_path):
    from safetensors.numpy import save_file

    steps = [plain, *(str(tmp_path / f"{step}.safetensors") for step in (1, 2))]
    for step in (1, 2):
        moved = {name: array.copy() for name, array in arrays.items()}
        for array in moved.values():
            array.reshape(-1).view("uint8")[: step * 3] ^= 1
        save_file(moved, steps[step], {"a": "b"})
        base = steps[step - 1] if step == 1 else [tmp_path / "1.delta", steps[0]]
        alone, delta = (ecf8.compress(steps[step], tmp_path / f"{step}.{kind}", base=of) for kind, of in (("alone", None), ("delta", base)))
        assert delta.output_bytes < alone.output_bytes and delta.input_bytes == os.path.getsize(steps[step])
    bases = [tmp_path / "1.delta", steps[0]]
    ecf8.verify(tmp_path / "2.delta", base=bases, against=steps[2])
    ecf8.decompress(tmp_path / "2.delta", tmp_path / "back", base=bases)
    assert (tmp_path / "back").read_bytes() == open(steps[2], "rb").read()
    with pytest.raises(ecf8.Error, match="--base"):
        ecf8.safe_open(tmp_path / "2.delta", framework="np")
    with pytest.raises(ecf8.Error, match="other bytes"):
        ecf8.decompress(tmp_path / "1.delta", tmp_path / "out", base=steps[2])
    with pytest.raises(ValueError, match="partial"):
        ecf8.decompress(tmp_path / "1.delta", tmp_path / "out", base=steps[0], partial=True)
    assert not (tmp_path / "out").exists()
