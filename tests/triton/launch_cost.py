"""What a call on a GPU costs the host, measured without one: a driver that takes launches and does nothing.

    python tests/triton/launch_cost.py

Prints microseconds of whole calls on accel's arrays, from Python to the driver's entry and back, the output's
allocation included: torch's allocator of host memory stands in for that of a GPU. Needs torch, Triton and a C compiler.
"""

from __future__ import annotations

import contextlib
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from triton.backends.compiler import GPUTarget

import accel
from accel.backends import triton_gpu
from accel.backends.triton_driver import Driver
from accel.conversion import from_numpy

DRIVER = "int launch(const void* config, void* function, void** parameters, void** extra) { return 0; }"


class Loaded:
    """A compiled kernel that no GPU has loaded."""

    function, run = 1, None

    def __init__(self, kernel: Any) -> None:
        self.metadata = kernel.metadata


def stand_in(library: ctypes.CDLL) -> triton_gpu.GpuDevice:
    entry = ctypes.cast(library.launch, ctypes.c_void_p).value
    found = Driver(True, entry, str)
    for name, value in {
        "target_of": lambda index: GPUTarget("cuda", 90, 32),
        "current_device": lambda: lambda: 0,
        "current_stream": lambda: lambda index: 7,
        "driver": lambda rocm: found,
        "capturing": lambda: lambda: False,
    }.items():
        mock.patch.object(triton_gpu, name, value).start()
    mock.patch.object(torch.cuda, "device", lambda index: contextlib.nullcontext()).start()
    mock.patch.object(torch.cuda, "synchronize", lambda index: None).start()
    device = triton_gpu.GpuDevice("triton", "triton:0", "gpu", "a stand-in")
    device.torch_device = torch.device("cpu")
    real: Callable[..., Any] = device.compiled
    device.compiled = lambda what, aligned=True: Loaded(real(what, aligned))
    return device


def microseconds(call: Callable[[], Any], rounds: int = 21, count: int = 500) -> float:
    call()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(count):
            call()
        times.append((time.perf_counter() - begin) / count)
    return 1e6 * statistics.median(times)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "driver.c"), Path(folder, "driver.so")
        source.write_text(DRIVER, encoding="utf-8")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(target), str(source)], check=True)
        device = stand_in(ctypes.CDLL(str(target)))
    x, row, long = (from_numpy(np.ones(shape, np.float32), device) for shape in ((64, 1024), (1024,), (1 << 20,)))
    for name, call in {
        "add": lambda: accel.add(x, x),
        "rms_norm": lambda: accel.nn.rms_norm(x, (1024,), row),
        "softmax": lambda: accel.nn.softmax(x, axis=-1),
        "sum along rows": lambda: accel.sum(x, axis=-1),
        "sum of 2^20, one launch": lambda: accel.sum(long),
        "the allocation alone": lambda: device.allocate(65536),
    }.items():
        print(f"{microseconds(call):6.2f} us  {name}")


if __name__ == "__main__":
    main()
