"""Kernels without fma have the bits of Triton's own interpreter."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("triton", reason="compiles Triton kernels")

SUMS, PRODUCTS = (Path(__file__).with_name(name) for name in ("test_block_kernels.py", "test_pointwise_kernels.py"))

# In another process, because TRITON_INTERPRET is read when a kernel is made.
PROGRAM = """
import importlib.util, sys, torch
def kernels(path):
    spec = importlib.util.spec_from_file_location("kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
x = torch.frombuffer(bytearray(sys.stdin.buffer.read()), dtype=torch.float32)
y, z = torch.zeros(8), torch.zeros(1600)
kernels(sys.argv[1]).tree_sum[(2,)](x, y, 200, B=4)
kernels(sys.argv[2]).mul_add[(2,)](x, x, z, 1600, B=1024)
sys.stdout.buffer.write(y.numpy().tobytes() + z.numpy().tobytes())
"""


def kernels(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem + "_again", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("target", [80], ids=["sm_80"], indirect=True)
def test_against_the_interpreter(launch: Callable, same: Callable) -> None:
    pytest.importorskip("torch", reason="Triton's interpreter takes torch tensors")
    x = np.random.default_rng(24).standard_normal((8, 200)).astype(np.float32)
    sums, products = np.zeros(8, np.float32), np.zeros_like(x)
    launch(kernels(SUMS).tree_sum, (2, 1, 1), [x, sums, 200], {"B": 4})
    launch(kernels(PRODUCTS).mul_add, (2, 1, 1), [x, x, products, 1600], {"B": 1024})
    command = [sys.executable, "-c", PROGRAM, str(SUMS), str(PRODUCTS)]
    env = {**os.environ, "TRITON_INTERPRET": "1"}
    theirs = subprocess.run(command, input=x.tobytes(), stdout=subprocess.PIPE, env=env, check=True).stdout
    same(np.concatenate([sums, products.ravel()]), np.frombuffer(theirs, np.float32))
