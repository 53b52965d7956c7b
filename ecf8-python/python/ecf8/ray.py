"""Compressing, verifying and tuning a sharded model on a Ray cluster, a file at a time on whatever worker is free.

    import ecf8.ray
    ecf8.ray.compress("/shared/model", "/shared/model-ecf8")      # goes on where it was interrupted
    ecf8.ray.verify("/shared/model-ecf8", against="/shared/model")
    ecf8.ray.tune("/shared/model-ecf8")                           # once for each kind of GPU

The folders lie where all workers see them. Where no cluster is connected, `ray.init()` finds one by RAY_ADDRESS, or starts one here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import ray

import ecf8

from ._progress import Progress, function_of
from ._report import Report


def compress(input, output, *, overwrite: bool = False, progress: Progress = True, cpus: int | None = None, **options: Any) -> Report:
    """Compresses a folder's weight files, each as `ecf8.compress` does with a file, and copies its other files.

    Finished files lie in `OUTPUT.parts` until all are there, and the same call takes those that are intact for done; then
    `ecf8 merge` compares them with the originals here and gives the output its name, with the list of what was copied. `cpus` are the
    cores that one file's work gets, by default all cores shared out among the files; `options` are those of `ecf8.compress`.

    Raises FileExistsError for an output that is there, FileNotFoundError where a worker does not see a file, OSError, or Error;
    RuntimeError with what the command says where files cannot be merged.
    """
    input, output = os.path.abspath(input), os.path.abspath(output)
    if os.path.exists(output) and not overwrite:
        raise FileExistsError(f"{output} is there already; choose another output, or say overwrite=True")
    weights = _weights(input)
    parts = f"{output}.parts"
    for name in weights:
        os.makedirs(os.path.dirname(os.path.join(parts, name)), exist_ok=True)
    jobs = [(_compress_file, name, (os.path.join(input, name), os.path.join(parts, name), options)) for name in weights]
    sizes = {name: os.path.getsize(os.path.join(input, name)) for name in weights}
    reports = _run("compress", jobs, sizes, cpus, function_of(progress))
    missing = ["--allow-missing-shards"] if options.get("allow_missing_shards") else []
    # What else is weights, hidden files for example, if there is any.
    _command("compress", input, "-o", output, "--shard", "0/1", *missing)
    merged = json.loads(_command("merge", input, "-o", output, "--json", *missing, *(["--force"] if overwrite else [])))
    return Report(
        input_bytes=merged["input_bytes"],
        output_bytes=merged["output_bytes"],
        files=[reports[name].files[0] | {"name": name} for name in weights],
        copied=merged["copied"],
        copied_bytes=merged["copied_bytes"],
        notes=[note for name in weights for note in reports[name].notes] + merged["notes"],
    )


def verify(path, *, against=None, progress: Progress = True, cpus: int | None = None) -> int:
    """Checks a folder's containers as `ecf8.verify` does each, and gives how many bytes the originals have. Raises Damaged with
    the file and what is wrong in it."""
    path, against = os.path.abspath(path), against and os.path.abspath(against)
    weights = _weights(path)
    jobs = [(_verify_file, name, (os.path.join(path, name), against and os.path.join(against, name))) for name in weights]
    sizes = {name: os.path.getsize(os.path.join(path, name)) for name in weights}
    return sum(_run("verify", jobs, sizes, cpus, function_of(progress)).values())


def tune(path, *, device: str = "cuda:0", budget: str = "60s", progress: Progress = True, cpus: int | None = None) -> str:
    """Tunes the kernels of a compressed folder's files, each on a GPU of a worker's for at most `budget`, as `ecf8 tune` does, and
    joins what was found in the folder's tuning cache, whose path it gives. What is in it already is kept, and called again it goes on.

    `device` is the worker's GPU ("cuda:0": Ray shows each task its own), or "emulator" to predict, which takes no GPU. Raises
    RuntimeError with what the command says where a file cannot be tuned.
    """
    path = os.path.abspath(path)
    weights = _weights(path)
    jobs = [(_tune_file, name, (os.path.join(path, name), device, budget)) for name in weights]
    sizes = {name: os.path.getsize(os.path.join(path, name)) for name in weights}
    caches = _run("tune", jobs, sizes, cpus, function_of(progress), gpus=0 if device == "emulator" else 1)
    joined = os.path.join(path, "model.tuning.json")
    # In one order, so that equal results are equal files.
    _command("tune", "merge", *(caches[name] for name in weights), "-o", joined)
    for cache in caches.values():
        os.remove(cache)
    return joined


def _weights(folder):
    """The weight files of a folder; those of hub caches and unfinished ones are hidden."""
    weights = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        of_weights = (name for name in sorted(files) if name.endswith((".safetensors", ".sft")) and not name.startswith("."))
        weights += (os.path.relpath(os.path.join(root, name), folder) for name in of_weights)
    if not weights:
        raise FileNotFoundError(f"{folder} holds no .safetensors file")
    return weights


def _run(what, jobs, sizes, cpus, progress, gpus=0):
    """Runs a job for each file, and tells how far all are together."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    cpus = cpus or max(1, int(ray.cluster_resources().get("CPU", 1)) // len(jobs))
    total = sum(sizes.values())
    counter = ray.remote(num_cpus=0)(_Counter).remote()
    # Large files first, so that none is left alone at the end.
    jobs = sorted(jobs, key=lambda job: -sizes[job[1]])
    running = {
        ray.remote(num_cpus=cpus, num_gpus=gpus)(function).remote(*arguments, cpus, counter, name): name for function, name, arguments in jobs
    }
    results = {}
    try:
        while running:
            done, _ = ray.wait(list(running), timeout=0.2)
            for task in done:
                results[running.pop(task)] = ray.get(task)
            if progress:
                shares = ray.get(counter.shares.remote())
                sure = sum(size * (1 if name in results else shares.get(name, 0)) for name, size in sizes.items())
                # Only the last word may say that all is done.
                progress(what, min(int(sure), total - 1) if running else total, total)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    finally:
        # Told, not cancelled: cancelling a task that is just being given to a worker ends the whole process (Ray 2.60).
        counter.stop.remote()
        # Nobody writes into the folder any more when the caller goes on.
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=60)
    return results


class _Counter:
    """Which share of each file is done, and whether the rest of the work is wanted."""

    def __init__(self):
        self._shares = {}
        self._is_wanted = True

    def set(self, name, share):
        """Notes a file's share; gives whether the work is still wanted."""
        self._shares[name] = share
        return self._is_wanted

    def shares(self):
        return self._shares

    def stop(self):
        self._is_wanted = False


class _Stopped(Exception):
    """The caller has no use for this file's work any more."""


def _telling(counter, name):
    """A progress function of a file's work, which tells the counter at most five times a second. It raises `_Stopped` once the counter
    has answered that the work is not wanted; before any work it waits for that answer."""
    if not ray.get(counter.set.remote(name, 0)):
        raise _Stopped
    answer, last = None, 0.0

    def tell(what, done, total):
        nonlocal answer, last
        if total and time.monotonic() - last > 0.2:
            last = time.monotonic()
            if answer and ray.wait([answer], timeout=0)[0] and not ray.get(answer):
                raise _Stopped
            answer = counter.set.remote(name, done / total)

    return tell


def _compress_file(input, output, options, cpus, counter, name):
    tell = _telling(counter, name)
    report = _finished(input, output)
    # A container appears only when it is whole, so what is there and is not what the input gives is of another input.
    return report or ecf8.compress(input, output, overwrite=True, threads=cpus, progress=tell, **options)


def _finished(input, output):
    """The report of a file that an earlier call has compressed; `None` if it is not there or not of this input."""
    if not os.path.exists(output):
        return None
    try:
        ecf8.verify(output, against=input)
    except (ecf8.Error, OSError):
        return None
    file = ecf8._ecf8.File(output)
    compressed = sum(file.is_compressed(name) for name in file.names())
    sizes = {"input_bytes": os.path.getsize(input), "output_bytes": os.path.getsize(output)}
    one = {"name": output, **sizes, "compressed_tensors": compressed, "kept_tensors": len(file) - compressed, "kept": []}
    return Report(**sizes, files=[one])


def _verify_file(path, against, cpus, counter, name):
    return ecf8.verify(path, against=against, threads=cpus, progress=_telling(counter, name))


def _tune_file(path, device, budget, cpus, counter, name):
    tell = _telling(counter, name)
    # How far it is does not show; whether it is still wanted is asked.
    _command("tune", path, "--device", device, "--budget", budget, meanwhile=lambda: tell("tune", 0, 1))
    return os.path.splitext(path)[0] + ".tuning.json"


def _command(*words, meanwhile=None):
    """Runs the command in a process of its own; gives what it answers. `meanwhile` is called each half second; what it raises ends the
    process."""
    with subprocess.Popen([sys.executable, "-m", "ecf8", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while True:
                try:
                    said, errors = process.communicate(timeout=0.5 if meanwhile else None)
                    break
                except subprocess.TimeoutExpired:
                    meanwhile()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise RuntimeError(errors.strip() or f"`ecf8 {' '.join(words)}` ended with status {process.returncode}")
    return said
