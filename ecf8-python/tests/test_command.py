"""The command `ecf8` of the wheel, and what importing costs."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import ecf8

COMMAND = Path(sys.executable).parent / "ecf8"


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True)


def test_statuses_come_through(container, tmp_path):
    assert run("--version").stdout == f"ecf8 {ecf8.__version__}\n"
    assert run("verify", container).returncode == 0
    assert run("inspect", str(tmp_path / "nowhere")).returncode == 2
    assert run("compress").returncode == 2
    bad = tmp_path / "bad.safetensors"
    data = bytearray(Path(container).read_bytes())
    data[len(data) // 2] ^= 1
    bad.write_bytes(data)
    told = run("verify", str(bad))
    assert told.returncode == 1 and "damaged" in told.stdout and told.stderr.startswith("ecf8: ")


def test_its_answers_are_the_programs(container):
    assert json.loads(run("inspect", container, "--json").stdout)["ratio"] < 1
    module = subprocess.run([sys.executable, "-m", "ecf8", "inspect", container], capture_output=True, text=True)
    assert module.stdout == run("inspect", container).stdout != ""


def test_names_that_are_no_unicode_are_taken(container, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.safetensors"
    Path(os.fsdecode(path)).write_bytes(Path(container).read_bytes())
    assert subprocess.run([COMMAND, b"verify", path], capture_output=True).returncode == 0
    assert ecf8.is_container(path.decode("utf8", "surrogateescape"))


def test_it_starts_fast():
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run("--version")
        times.append(time.perf_counter() - began)
    assert min(times) < 1


def test_an_interrupt_ends_it(tmp_path):
    process = subprocess.Popen([COMMAND, "bench", "--device", "emulator"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0


def test_importing_takes_a_moment_and_imports_no_framework():
    code = "import sys, time; began = time.perf_counter(); import ecf8; print(time.perf_counter() - began, *sys.modules)"
    best = 1.0
    for _ in range(3):
        took, *modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        best = min(best, float(took))
    assert best < 0.2
    assert not {"torch", "transformers", "diffusers", "vllm", "sglang", "ray"} & set(modules)


@pytest.mark.parametrize("group", ["vllm.general_plugins", "sglang.srt.plugins"])
def test_plug_ins_are_found(group):
    assert [entry.value for entry in entry_points(group=group, name="ecf8")] == [f"ecf8.{group.split('.')[0]}:register"]
