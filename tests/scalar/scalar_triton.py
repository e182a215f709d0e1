"""Programs as Triton kernels: run by the interpreter, compiled for a target, and their PTX run by the emulator."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scalar_samples import NUMPY

from accel.scalar import Program
from accel.scalar.convert import storage
from accel.scalar.expr import FLOATS, INTEGERS, schedule
from accel.scalar.triton import print_program

SHORT = {"float32": "fp32", "float64": "fp64", "bool": "u8"} | {
    d: d.replace("uint", "u").replace("int", "i") for d in INTEGERS
}
NVIDIA = {"sm_80": ("cuda", 80, 32), "sm_90": ("cuda", 90, 32)}
AMD = {"gfx90a": ("hip", "gfx90a", 64), "gfx942": ("hip", "gfx942", 64), "gfx1100": ("hip", "gfx1100", 32)}

HEADER = "import triton\nimport triton.language as tl\n\n"
KERNEL = """

@triton.jit
def kernel({pointers}, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, f({loads}), mask=i < n)
"""
# What no kernel of the bit contract may contain.
FORBIDDEN_PTX = re.compile(r"^.*(?:\.approx|\.ftz|div\.full|\b(?:add|sub|mul)\.f(?:32|64)).*$", re.M)


def storage_dtype(dtype: str) -> str:
    return "uint8" if dtype == "bool" else storage(dtype)


def source(program: Program) -> str:
    count = len(program.inputs)
    pointers = ", ".join(f"p{i}" for i in range(count))
    loads = ", ".join(f"tl.load(p{i} + i, mask=i < n)" for i in range(count))
    return HEADER + print_program(program, "f") + KERNEL.format(pointers=pointers, loads=loads)


def module(program: Program, folder: Path, interpreted: bool) -> ModuleType:
    """The kernel's module (Triton needs a source file), with its functions interpreted or compiled."""
    import triton

    text = source(program)
    path = folder / f"k{hashlib.sha256(text.encode()).hexdigest()[:16]}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = interpreted
        spec.loader.exec_module(loaded)
    return loaded


def prepared(program: Program, arrays: tuple[np.ndarray, ...]) -> tuple[list[np.ndarray], np.ndarray]:
    """Arrays in storage dtypes, and one for the result."""
    given = [np.ascontiguousarray(a).view(storage_dtype(d)) for a, d in zip(arrays, program.inputs, strict=True)]
    return given, np.empty(given[0].shape, storage_dtype(program.output))


def interpret(program: Program, folder: Path, *arrays: np.ndarray) -> np.ndarray:
    """The result of Triton's interpreter."""
    import torch
    import triton

    given, out = prepared(program, arrays)
    kernel = module(program, folder, True).kernel
    size = 1 << (out.size - 1).bit_length()
    with triton.knobs.runtime.scope(), np.errstate(all="ignore"):
        triton.knobs.runtime.interpret = True
        kernel[(1,)](*(torch.from_numpy(a) for a in given), torch.from_numpy(out), out.size, BLOCK=size)
    return out.view(NUMPY[program.output])


def compiled(program: Program, folder: Path, target: str, fusion: bool = False) -> Any:
    """Triton's compiled kernel; one element per thread."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    threads = {**NVIDIA, **AMD}[target][2] * 4
    signature = {f"p{i}": f"*{SHORT[storage_dtype(d)]}" for i, d in enumerate(program.inputs)}
    signature |= {"out": f"*{SHORT[storage_dtype(program.output)]}", "n": "i32", "BLOCK": "constexpr"}
    built = ASTSource(module(program, folder, False).kernel, signature, {"BLOCK": threads})
    options = {"num_warps": 4, "enable_fp_fusion": fusion}
    return triton.compile(built, target=GPUTarget(*{**NVIDIA, **AMD}[target]), options=options)


def emulate(kernel: Any, program: Program, *arrays: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """The result of the compiled PTX in the emulator, and its report."""
    from accel import ptx

    given, out = prepared(program, arrays)
    pointers = [*given, out]
    arguments = [("Q", a.ctypes.data) for a in pointers] + [("i", out.size)]
    ranges = [(a.ctypes.data, a.nbytes) for a in pointers]
    grid = (-(-out.size // 128), 1, 1)
    report = ptx.run(kernel.asm["ptx"], grid, arguments, 4, kernel.metadata.shared, ranges, ctas_at_once=grid[0])
    return out.view(NUMPY[program.output]), report


# Instructions that LLVM spends on one correctly rounded division or root where the target has none.
AMD_FMA = {("div", "float32"): 6, ("div", "float64"): 6, ("sqrt", "float32"): 2, ("sqrt", "float64"): 7}


def amd_fma(program: Program) -> int:
    """Fused multiply-adds in AMD machine code: those written, and those of divisions and roots."""
    nodes = schedule(program.expression())
    return sum(AMD_FMA.get((n.op, n.dtype), 0) + (n.op == "fma") for n in nodes if n.dtype in FLOATS)


def count_ptx_fma(text: str) -> int:
    return len(re.findall(r"\bfma\.rn\.f(?:32|64)", text))


def count_amd_fma(text: str) -> int:
    """v_fma, v_fmac, v_fmaak, v_fmamk, v_div_fmas, alone or in a dual instruction; a packed v_pk_fma is two."""
    single = re.findall(r"v_(?:dual_|div_)?fma(?:c|ak|mk|s)?_f(?:32|64)", text)
    return len(single) + 2 * len(re.findall(r"v_pk_fma_f32", text))
