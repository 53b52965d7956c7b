"""ecf8.ray: a sharded model on a Ray cluster of several workers."""

import os

import pytest
from conftest import need, numbers

ray = need("ray")

import ecf8  # noqa: E402
import ecf8.ray  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """A real cluster: three workers in processes of their own."""
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20)
    yield
    ray.shutdown()


@pytest.fixture
def folder(tmp_path):
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    os.makedirs(folder / "tokenizer")
    for at in range(4):
        tensors = {f"layers.{at}.{name}": numbers(300, 200, seed=at) for name in ("up", "down")}
        save_file(tensors, folder / f"model-{at + 1:05}-of-00004.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text('{"x": 1}')
    (folder / "tokenizer" / "vocab.txt").write_text("a\nb\n")
    return folder


def test_a_folder_is_compressed_with_one_bar_and_comes_back(folder, tmp_path):
    told = []
    report = ecf8.ray.compress(folder, tmp_path / "out", progress=lambda *state: told.append(state))
    assert {what for what, _, _ in told} == {"compress"} and {total for _, _, total in told} == {report.input_bytes}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told) and told[-1][1] == report.input_bytes
    assert [file["name"] for file in report.files] == [f"model-{at + 1:05}-of-00004.safetensors" for at in range(4)]
    assert report.output_bytes < report.input_bytes and report.copied == ["config.json", "tokenizer/vocab.txt"]
    assert sorted(os.listdir(tmp_path)) == ["model", "out"]
    ecf8.compress(folder, tmp_path / "alone")
    assert (tmp_path / "out" / "ecf8.files.json").read_bytes() == (tmp_path / "alone" / "ecf8.files.json").read_bytes()
    total = ecf8.ray.verify(tmp_path / "out", against=folder, progress=False)
    assert total == report.input_bytes
    ecf8.decompress(tmp_path / "out", tmp_path / "back")
    for root, _, files in os.walk(folder):
        for name in files:
            within = os.path.relpath(os.path.join(root, name), folder)
            assert (folder / within).read_bytes() == (tmp_path / "back" / within).read_bytes()


def test_several_workers_take_part(folder):
    def where(*_):
        import time

        time.sleep(0.5)
        return os.getpid()

    jobs = [(where, str(at), ()) for at in range(3)]
    processes = ecf8.ray._run("where", jobs, dict.fromkeys("012", 1), 1, None)
    assert len({*processes.values(), os.getpid()}) == 4


def test_an_interrupted_call_goes_on(folder, tmp_path):
    damaged = folder / "model-00003-of-00004.safetensors"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-5])
    with pytest.raises((ecf8.Error, OSError)):
        ecf8.ray.compress(folder, tmp_path / "out", progress=False, cpus=3)
    assert not (tmp_path / "out").exists()
    damaged.write_bytes(whole)
    unfinished = tmp_path / "out.parts"
    # One that was finished, and one that is of another input.
    first, second = (unfinished / f"model-0000{at}-of-00004.safetensors" for at in (1, 2))
    for path in (first, second):
        path.unlink(missing_ok=True)
    ecf8.compress(folder / first.name, first)
    ecf8.compress(folder / first.name, second)
    before = first.stat().st_ino, first.stat().st_mtime_ns
    ecf8.ray.compress(folder, tmp_path / "out", progress=False)
    after = (tmp_path / "out" / first.name).stat()
    assert (after.st_ino, after.st_mtime_ns) == before
    assert ecf8.verify(tmp_path / "out" / second.name, against=folder / second.name)


def test_the_rest_of_the_work_stops_where_a_file_fails(tmp_path):
    import time

    def fails(started, *_):
        while not started.exists():
            time.sleep(0.05)
        raise ValueError("broken")

    def takes_long(started, _, counter, name):
        tell = ecf8.ray._telling(counter, name)
        started.touch()
        for step in range(1000):
            time.sleep(0.05)
            tell("wait", step, 1000)
        started.with_suffix(".ended").touch()

    first, second = tmp_path / "first", tmp_path / "second"
    jobs = [(takes_long, "2", (first,)), (fails, "1", (first,)), (takes_long, "0", (second,))]
    with pytest.raises(ValueError, match="broken"):
        ecf8.ray._run("wait", jobs, {"2": 2, "1": 1, "0": 0}, 1, None)
    assert first.exists() and not list(tmp_path.glob("*.ended"))


def test_damage_is_named(folder, tmp_path):
    ecf8.ray.compress(folder, tmp_path / "out", progress=False)
    path = tmp_path / "out" / "model-00002-of-00004.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ecf8.Damaged, match="model-00002"):
        ecf8.ray.verify(tmp_path / "out", progress=False)


def test_an_output_that_is_there_stays_unless_that_is_said(folder, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError):
        ecf8.ray.compress(folder, tmp_path / "out", progress=False)
    ecf8.ray.compress(folder, tmp_path / "out", progress=False, overwrite=True)
    assert len(os.listdir(tmp_path / "out")) == 7


def test_tuning_gives_one_cache_and_what_cannot_be_tuned_is_said(folder, tmp_path):
    import json

    ecf8.ray.compress(folder, tmp_path / "out", progress=False, scheme="pair-lanes")
    cache = ecf8.ray.tune(tmp_path / "out", device="emulator", budget="1s", progress=False)
    assert cache == str(tmp_path / "out" / "model.tuning.json")
    assert json.load(open(cache))["records"]
    assert [name for name in os.listdir(tmp_path / "out") if "tuning" in name] == ["model.tuning.json"]
    with pytest.raises(RuntimeError, match="ecf8: "):
        ecf8.ray._command("tune", str(tmp_path / "out"), "--device", "cuda:77")
