"""Threads, forks, memory, interrupts."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import ecf8
import ecf8.numpy


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> str:
    """A container of 128 MiB."""
    path = str(tmp_path_factory.mktemp("large") / "large.safetensors")
    one = np.random.default_rng(0).binomial(40, 0.5, (4096, 4096)).astype(np.uint8)
    ecf8.numpy.save_file({f"l.{i}.w": np.roll(one, i) for i in range(8)}, path)
    return path


def ends_well(child: int) -> None:
    """Waits for a child for ten seconds."""
    for _ in range(100):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs: it waits for threads that the fork did not take along")


def test_forked_children_decode_and_so_do_theirs(large):
    file = ecf8.safe_open(large, framework="np")
    expected = file.get_tensor("l.0.w")

    def child(depth: int) -> int:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if (file.get_tensor("l.0.w") == expected).all():
                    if depth > 0:
                        ends_well(child(depth - 1))
                    status = 0
            finally:
                os._exit(status)
        return pid

    for _ in range(3):
        ends_well(child(1))
    assert (file.get_tensor("l.0.w") == expected).all()


def test_a_child_forked_while_another_thread_decodes_does_not_hang(large):
    file, stop = ecf8.safe_open(large, framework="np"), threading.Event()

    def decode():
        while not stop.is_set():
            file.get_tensor("l.1.w")

    thread = threading.Thread(target=decode)
    thread.start()
    try:
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                try:
                    file.get_slice("l.0.w")[0:8]
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            ends_well(pid)
    finally:
        stop.set()
        thread.join()


def test_other_threads_go_on_while_tensors_are_decoded(large):
    ticks, stop = [0], threading.Event()

    def tick():
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.perf_counter()
    with ecf8.safe_open(large, framework="np") as file:
        for name in file.keys():
            file.get_tensor(name)
    took = time.perf_counter() - began
    stop.set()
    thread.join()
    assert ticks[0] > took * 100, f"another thread ran {ticks[0]} times in {took:.2f} s"


def test_threads_decode_at_once(large):
    file = ecf8.safe_open(large, framework="np")
    expected = [int(file.get_tensor(f"l.{i}.w").sum()) for i in range(4)]
    found = [0] * 4

    def decode(i: int):
        found[i] = int(file.get_tensor(f"l.{i}.w").sum())

    threads = [threading.Thread(target=decode, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: memory is looked up in /proc")
def test_memory_is_that_of_the_tensors(large):
    code = f"""
import ecf8.numpy, numpy
own = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) * 1024
before = own()
tensors = ecf8.numpy.load_file({large!r})
print((own() - before) / sum(tensor.nbytes for tensor in tensors.values()))
"""
    grown = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0.9 < grown < 1.15


def test_an_interrupt_ends_the_work_and_leaves_nothing(large, tmp_path):
    ecf8.decompress(large, tmp_path / "plain.safetensors")
    code = f"""
import ecf8, _thread, signal, threading
# A shell that starts tests in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, _thread.interrupt_main).start()
try:
    ecf8.compress({str(tmp_path / "plain.safetensors")!r}, {str(tmp_path / "out")!r}, optimize="size")
except KeyboardInterrupt:
    print("interrupted")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "interrupted\n", told
    assert os.listdir(tmp_path) == ["plain.safetensors"]
