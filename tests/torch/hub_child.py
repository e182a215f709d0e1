"""Runs in a process that cannot import accel: what functions of the package give, as hashes, and what they compile.

python hub_child.py bits FOLDER CALLS LENGTH…
python hub_child.py compile FOLDER BACKEND ARCHITECTURE
"""

import hashlib
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import torch


class Without:
    """Finds no accel."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == "accel":
            raise ImportError("accel is not here")


def package(folder: str) -> ModuleType:
    """As the library `kernels` imports it."""
    spec = importlib.util.spec_from_file_location("package_of_kernels", f"{folder}/__init__.py")
    its = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = its
    spec.loader.exec_module(its)
    return its


def operands(n: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Rows, and vectors beside them: of all magnitudes, with NaN, infinities and zeros of both signs where there is
    room, in an order of axes that is not memory's."""
    draw = torch.Generator().manual_seed(n)
    x = torch.randn(n, 3, generator=draw) * torch.exp(3 * torch.randn(n, 3, generator=draw))
    if n > 8:
        x[:4, 2] = torch.tensor([float("nan"), float("inf"), -0.0, 0.0])
    x, w, b = (each.to(dtype) for each in (x.T, torch.randn(n, generator=draw), torch.randn(n, generator=draw)))
    return [x, w, b]


CALLS = {
    "softmax": lambda f, x, w, b: f.softmax(x),
    "rms_norm": lambda f, x, w, b: f.rms_norm(x, w, 1e-6),
    "layer_norm": lambda f, x, w, b: f.layer_norm(x),
    "layer_norm scaled": lambda f, x, w, b: f.layer_norm(x, w),
    "layer_norm shifted": lambda f, x, w, b: f.layer_norm(x, w, b, 1e-3),
    "silu": lambda f, x, w, b: f.silu(x),
    "gelu": lambda f, x, w, b: f.gelu(x),
    "gelu tanh": lambda f, x, w, b: f.gelu(x, "tanh"),
    "silu_and_mul": lambda f, x, w, b: f.silu_and_mul(x[:, : x.shape[1] // 2 * 2]),
}


def bits(functions: Any, names: list[str], lengths: list[int]) -> dict[str, str]:
    """The hash of every result of these calls."""
    found = {}
    for n in lengths:
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            given = operands(n, dtype)
            for name in names:
                y = CALLS[name](functions, *given).flatten().clone()
                y[y.isnan()] = torch.nan  # whose sign and payload the contract leaves open
                found[f"{name} {dtype} {n}"] = hashlib.sha256(y.view(torch.uint8).numpy().tobytes()).hexdigest()
    return found


def compiled(its: Any, backend: str, architecture: str) -> list[list[Any]]:
    """Launches that are compiled for a GPU, which need not be there, and not run: of each kernel its name, whether it
    may contract products and sums, and whether there is machine code."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    target = GPUTarget(
        backend, int(architecture) if backend == "cuda" else architecture, 32 if backend == "cuda" else 64
    )

    class Driver:
        def get_current_target(self) -> GPUTarget:
            return target

        def get_current_device(self) -> int:
            return 0

        def get_current_stream(self, device: int) -> int:
            return 0

    found = []

    def launch(kernel: JITFunction, grid: Any) -> Any:
        def compile_it(*args: Any, **keywords: Any) -> None:
            made = kernel.warmup(*args, grid=grid, **keywords)
            code = "cubin" if backend == "cuda" else "hsaco"
            found.append([made.metadata.name, made.metadata.enable_fp_fusion, len(made.asm[code]) > 0])

        return compile_it

    driver.set_active(Driver())
    JITFunction.__getitem__ = launch
    its.softmax(torch.ones(5, 96))
    its.rms_norm(torch.ones(2, 5000, dtype=torch.float16), torch.ones(5000, dtype=torch.float16), 1e-6)
    its.silu_and_mul(torch.ones(5, 96, dtype=torch.bfloat16))
    return found


if __name__ == "__main__":
    sys.meta_path.insert(0, Without())
    its = package(sys.argv[2])
    what = {
        "bits": lambda: bits(its, sys.argv[3].split(","), [int(n) for n in sys.argv[4:]]),
        "compile": lambda: compiled(its, *sys.argv[3:]),
    }[sys.argv[1]]
    print(json.dumps(what()))
