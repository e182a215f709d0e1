"""The NEON kernels, cross-compiled and run under qemu-user, against this machine's extension, by hashes of results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cross_compile import COMPILER, EMULATOR, FLAGS, ROOT
from native_reference import FLOATS, INTEGERS, numpy_dtype, run_matmul, run_pointwise, run_reduce

# bits, bits of the fraction, bias of the exponent
FORMATS = {"float16": (16, 10, 15), "bfloat16": (16, 7, 127), "float32": (32, 23, 127), "float64": (64, 52, 1023)}


def mix(x: np.ndarray) -> np.ndarray:
    """splitmix64"""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def make(dtype: str, n: int, seed: int, wild: bool) -> np.ndarray:
    """The data of hashes.cpp."""
    index = np.arange(n, dtype=np.uint64)
    x = mix(index + np.uint64(seed * 1000003))
    if dtype == "bool":
        return (x & np.uint64(1)).astype(bool)
    size = numpy_dtype(dtype).itemsize
    if dtype in FORMATS:
        bits, fraction, bias = map(np.uint64, FORMATS[dtype])
        one = np.uint64(1)
        exponent = bias - np.uint64(4) + (x >> np.uint64(52)) % np.uint64(8)
        tame = (x >> np.uint64(63)) << (bits - one) | exponent << fraction | x & ((one << fraction) - one)
        x = np.where(wild & (index % np.uint64(2) == 1), x, tame)
    return x.astype(f"uint{8 * size}").view(numpy_dtype(dtype))


def digest(result: np.ndarray) -> str:
    """FNV-1a over the elements' bits, every NaN as the same one."""
    dtype = result.dtype.name
    values = result.ravel().view(f"uint{8 * result.itemsize}").astype(np.uint64)
    if dtype in FORMATS:
        bits, fraction, _ = map(np.uint64, FORMATS[dtype])
        one = np.uint64(1)
        infinity = ((one << (bits - one - fraction)) - one) << fraction
        values = np.where(values & ~(one << (bits - one)) > infinity, infinity + one, values)
    h = 0xCBF29CE484222325
    for value in values.tolist():
        h = (h ^ value) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def native(cpu: ModuleType, isa: str, case: str) -> str:
    """The hash of a case computed by the extension."""
    family, *words = case.split()
    if family == "pointwise":
        function, dtype, output, n, *inputs = words
        data = [make(name, int(n), i + 1, True) for i, name in enumerate(inputs)]
        program = cpu.Pointwise(isa, inputs, [(function, dtype, list(range(len(inputs))))], output)
        return digest(run_pointwise(program, np.empty(int(n), numpy_dtype(output)), data))
    if family == "reduce":
        kind, dtype, output, kept, reduced, layout = words
        x = make(dtype, int(kept) * int(reduced), 1, False)
        shaped = x.reshape(int(reduced), int(kept)).T if layout == "columns" else x.reshape(int(kept), int(reduced))
        return digest(run_reduce(cpu, isa, kind, shaped, (1,), output))
    dtype, output, *extents, a_layout, b_layout = words
    m, n, k = map(int, extents)
    a, b = make(dtype, m * k, 1, False), make(dtype, k * n, 2, False)
    a = a.reshape(m, k) if a_layout == "rows" else a.reshape(k, m).T
    b = b.reshape(k, n) if b_layout == "rows" else b.reshape(n, k).T
    return digest(run_matmul(cpu, isa, a, b, np.empty((m, n), numpy_dtype(output))))


def cases(scalar: ModuleType) -> list[str]:
    """Every function at every dtype, and reductions and products of every kind of dtype and path."""
    found = []
    for name, row in scalar.FUNCTIONS.items():
        for dtype in row.dtypes:
            found.append(
                f"pointwise {name} {dtype} {row.result_dtype(dtype)} 600 {' '.join(row.argument_dtypes(dtype))}"
            )
    dtypes = ("bool", *INTEGERS, *FLOATS)
    found += [f"pointwise cast {t} {t} 600 {s}" for s in dtypes for t in dtypes]
    for layout, kept, reduced in [("rows", 3, 9000), ("rows", 70, 20), ("columns", 50, 300), ("columns", 20, 5000)]:
        shape = f"{kept} {reduced} {layout}"
        for dtype in FLOATS:
            found += [f"reduce {kind} {dtype} {dtype} {shape}" for kind in ("sum", "prod", "max", "min")]
        for dtype in ("int8", "uint64"):
            found += [f"reduce {kind} {dtype} int64 {shape}" for kind in ("sum", "prod", "argmax", "argmin")]
            found.append(f"reduce max {dtype} {dtype} {shape}")
        found += [f"reduce argmax float32 int64 {shape}", f"reduce all bool bool {shape}"]
    for m, n, k in [(1, 1, 900), (3, 5, 7), (30, 40, 300), (61, 75, 550), (1, 600, 40), (100, 3, 300), (20, 90, 301)]:
        for dtype in FLOATS:
            for layouts in ("rows rows", "columns columns", "rows columns"):
                found.append(f"matmul {dtype} {dtype} {m} {n} {k} {layouts}")
        for dtype in ("int8", "uint8", "int16"):
            found += [f"matmul {dtype} int32 {m} {n} {k} rows {layout}" for layout in ("rows", "columns")]
        found.append(f"matmul uint32 uint64 {m} {n} {k} rows columns")
    return found


FAMILIES = ("casts", "factors", "folds", "functions", "halves", "matmul", "memory", "row", "scans", "searches", "table")
DRIVERS = ("isa", "layout", "matmul*", "pointwise*", "reduce*", "steps", "threads")
"""Sources that pointwise, reduce and matmul are linked from."""


def build(folder: Path, isas: tuple[str, ...], optimised: str) -> Path:
    """hashes.cpp with the drivers and the kernels of instruction sets of aarch64, linked statically."""
    subprocess.run([sys.executable, ROOT / "csrc" / "generate.py", folder, "neon"], check=True)
    csrc = ROOT / "csrc"
    jobs = [(csrc / "families" / f"{name}.cpp", isa) for isa in isas for name in FAMILIES]
    drivers = [source for name in DRIVERS for source in sorted(csrc.glob(f"{name}.cpp"))]
    own = ["hashes.cpp"] if "baseline" in isas else ["hashes.cpp", "no_baseline.cpp"]
    jobs += [(source, None) for source in (*(Path(__file__).parent / name for name in own), *drivers)]

    def compile_one(job: tuple[Path, str | None]) -> Path:
        source, isa = job
        target = folder / f"{source.parent.name}-{source.stem}-{isa}.o"
        flags = [*FLAGS, optimised, "-I", folder, "-I", csrc]
        if isa is not None:
            flags += ["-include", csrc / "isa" / f"{isa}.hpp"]
        subprocess.run([COMPILER, *flags, "-c", source, "-o", target], check=True)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, jobs))
    program = folder / "hashes"
    subprocess.run([COMPILER, *FLAGS, *objects, "-o", program], check=True)
    return program


def test_neon_gives_the_bits_of_this_machine(request, cpu, scalar, tmp_path):
    """Compiled as it ships with --deep; else NEON alone, in a fraction of the time."""
    missing = [tool for tool in (COMPILER, EMULATOR) if not shutil.which(tool)]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: Debian packages g++-aarch64-linux-gnu and qemu-user")
    wanted = cases(scalar)
    assert len(wanted) > 600
    isas, optimised = (("neon", "baseline"), "-O3") if request.config.getoption("--deep") else (("neon",), "-O1")
    program = build(tmp_path, isas, optimised)
    # A control for each family: other data, the reduction's other layout, the product's other layout.
    controls = {
        "pointwise add float32 float32 600 float32 float32": "pointwise add float32 float32 599 float32 float32",
        "reduce sum float32 float32 20 5000 rows": "reduce sum float32 float32 20 5000 columns",
        "matmul float32 float32 30 40 300 rows rows": "matmul float32 float32 30 40 300 rows columns",
    }
    lines = wanted + list(controls.values())
    for isa in isas:
        text = "".join(f"{case.replace(' ', f' {isa} ', 1)}\n" for case in lines)
        run = subprocess.run([EMULATOR, program], input=text, capture_output=True, encoding="utf-8", check=True)
        hashes = dict(zip(lines, run.stdout.split(), strict=True))
        for here in cpu.isas():
            different = [case for case in wanted if native(cpu, here, case) != hashes[case]]
            assert not different, (isa, here, len(different), different[:5])
            for case, other in controls.items():
                assert native(cpu, here, case) != hashes[other]
