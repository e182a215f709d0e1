"""Programs printed as OpenCL C against the NumPy evaluator, bit for bit, on every device; and the soft division."""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scalar_samples import CASES, NUMPY, arguments, differences, random, special

from accel.scalar import FUNCTIONS, Program, ProgramBuilder, opencl, program_for
from accel.scalar.convert import DTYPES, storage
from accel.scalar.evaluate import evaluate

# Intel's compiler reports that it succeeded.
pytestmark = pytest.mark.filterwarnings("ignore:Non-empty compiler output")

SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")


@functools.cache
def devices() -> dict[str, Any]:
    """OpenCL devices by name. Intel's CPU runtime from pip is added to the system's, unless pyopencl is loaded."""
    if "pyopencl" not in sys.modules and "OCL_ICD_VENDORS" not in os.environ:
        folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"scalar-tests-vendors-{os.getpid()}"
        folder.mkdir(exist_ok=True)
        for icd in SYSTEM_VENDORS.glob("*.icd"):
            if icd.name != "intel.icd":  # the GPU's, which finds no device in a container and prints so
                (folder / icd.name).write_text(icd.read_text(encoding="utf-8"), encoding="utf-8")
        intel = Path(sys.prefix) / "lib" / "libintelocl.so"
        if intel.exists():
            (folder / "intel-cpu.icd").write_text(str(intel), encoding="utf-8")
        os.environ["OCL_ICD_VENDORS"] = str(folder)
    try:
        import pyopencl as cl
    except ImportError:
        return {}
    try:
        platforms = cl.get_platforms()
    except cl.LogicError:
        return {}
    return {f"{p.vendor.split()[0]}-{d.name}": d for p in platforms for d in p.get_devices()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        found = devices() or {"none": None}
        metafunc.parametrize("device", found.values(), ids=found.keys(), indirect=True)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Any:
    if request.param is None:
        pytest.skip("no OpenCL device: install pyopencl and, for a CPU, intel-opencl-rt or PoCL")
    return request.param


def options(device: Any, *more: str) -> Sequence[str]:
    """Build options: ``more``, or what the device needs for correct division."""
    import pyopencl as cl

    rounded = device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
    return more or [opencl.CORRECTLY_ROUNDED_OPTION if rounded else "-DACCEL_SOFT_DIVIDE"]


def kernel(program: Program, name: str, body: str | None = None) -> str:
    """The function and a kernel k_name that maps it over arrays (a kernel may not have a built-in's name)."""
    types = [opencl.DIALECT.storage_type(storage(d)) for d in (*program.inputs, program.output)]
    parameters = ", ".join(f"global const {t} *x{i}" for i, t in enumerate(types[:-1]))
    call = ", ".join(f"x{i}[i]" for i in range(len(program.inputs)))
    return (
        (body or opencl.print_program(program, f"f_{name}"))
        + f"kernel void k_{name}({parameters}, global {types[-1]} *out) {{\n"
        + f"  const size_t i = get_global_id(0);\n  out[i] = f_{name}({call});\n}}\n"
    )


class Built:
    """Kernels of several programs, built at once."""

    def __init__(
        self,
        device: Any,
        programs: dict[str, Program],
        *flags: str,
        prelude: str = opencl.PRELUDE,
        body: str | None = None,
    ) -> None:
        import pyopencl as cl

        self.programs = programs
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        text = [opencl.FP64_PRAGMA] if any(map(opencl.uses_fp64, programs.values())) else []
        text += [prelude, *(kernel(p, name, body) for name, p in programs.items())]
        self.built = cl.Program(self.context, "\n".join(text)).build(options(device, *flags), cache_dir=False)

    def run(self, name: str, *arrays: np.ndarray) -> np.ndarray:
        import pyopencl as cl

        out = np.empty(arrays[0].shape, NUMPY[self.programs[name].output])
        flags = cl.mem_flags
        given = [
            cl.Buffer(
                self.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=np.ascontiguousarray(a).view(np.uint8)
            )
            for a in arrays
        ]
        result = cl.Buffer(self.context, flags.WRITE_ONLY, out.nbytes)
        cl.Kernel(self.built, f"k_{name}")(self.queue, out.shape, None, *given, result)
        cl.enqueue_copy(self.queue, out.view(np.uint8), result)
        self.queue.finish()
        return out


GROUPS = (
    *("float32", "float64", "int32", "bfloat16"),
    *(pytest.param(d, marks=pytest.mark.slow) for d in ("int8", "uint16", "uint64", "float16")),
)
HALF_FUNCTIONS = ("exp", "add", "maximum", "round", "less", "where")


def group(dtype: str) -> dict[str, Program]:
    """The functions at one dtype, and the casts from it."""
    names = HALF_FUNCTIONS if dtype.endswith("float16") else [n for n, d in CASES if d == dtype]
    wanted = {n: ("bool", dtype, dtype) if n == "where" else (dtype,) * FUNCTIONS[n].arity for n in names}
    programs = {name: program_for(name, dtypes) for name, dtypes in wanted.items()}
    return programs | {f"to_{t}": program_for("cast", (dtype,), t) for t in DTYPES if t != dtype}


@pytest.mark.parametrize("dtype", GROUPS)
def test_functions_and_casts_agree(device: Any, dtype: str) -> None:
    if not device.double_fp_config:
        pytest.skip(f"{device.name} has no float64")
    built = Built(device, group(dtype))
    wrong = {}
    for name, program in built.programs.items():
        if name in FUNCTIONS and dtype in FUNCTIONS[name].dtypes:
            arrays = arguments(name, dtype)
        else:
            arrays = tuple(
                np.concatenate([special(d), random(d, 500 - len(special(d)), f"{i}")])
                for i, d in enumerate(program.inputs)
            )
        found = differences(built.run(name, *arrays), evaluate(program, *arrays), *arrays)
        if found:
            wrong[name] = found
    assert not wrong


def square_plus() -> Program:
    build = ProgramBuilder("float32")
    return build.finish(build.apply("add", build.apply("square", 0), 0))


def test_contraction_would_be_seen(device: Any) -> None:
    """The control: x * x + x of two roundings agrees, and its contraction shows as a difference."""
    program = square_plus()
    x = random("float32", 20_000)
    expected = evaluate(program, x)
    assert not differences(Built(device, {"k": program}).run("k", x), expected, x)
    fused = "static inline float f_k(float x0) { return fma(x0, x0, x0); }\n"
    assert differences(Built(device, {"k": program}, body=fused).run("k", x), expected, x)


def test_floats_are_chosen_without_a_branch() -> None:
    """An operand of ?: that is a call, such as the bits of a NaN, makes a branch of it, and PoCL's loops stay scalar on
    some CPUs. The control: what select() replaces is in many functions."""
    chosen = 0
    for name, row in FUNCTIONS.items():
        for dtype in set(row.dtypes) & {"float32", "float64"}:
            dtypes = row.argument_dtypes(dtype)
            text = opencl.print_program(program_for(name, dtypes), "f")
            assert not re.search(r"const (float|double) \w+ = [^;]*\?", text), name
            chosen += text.count("= select(")
    assert chosen > 100
    assert "select(x1, x0, (long)t" in opencl.print_program(program_for("maximum", ("float64", "float64")), "f")


SEEDS = (
    "",
    "-DACCEL_SEED_RECIPROCAL(b)=(as_float(as_uint(1.0f/(b))+2u))",
    "-DACCEL_SEED_RECIPROCAL(b)=(as_float(as_uint(1.0f/(b))-2u))",
)


def division_samples() -> tuple[np.ndarray, np.ndarray]:
    """Special pairs, random bits, quotients at the edge of the subnormal range and exact ties in it."""
    values = special("float32")
    a, b = (np.array(c, np.float32) for c in zip(*itertools.product(values, values), strict=True))
    r = np.random.default_rng(5)
    bits = [r.integers(0, 2**32, 400_000, dtype=np.uint32).view(np.float32) for _ in range(2)]
    near = [1 + r.integers(0, 1 << 23, 200_000) * 2.0**-23 for _ in range(2)]
    down = 2.0 ** r.integers(-150, -120, 200_000)
    exact = [r.integers(1, 1 << 12, 200_000) * 1.0 for _ in range(2)]
    a = [a, bits[0], *(v.astype(np.float32) for v in (near[0], near[0] * down, exact[0] * exact[1] * down))]
    b = [b, bits[1], *(v.astype(np.float32) for v in (near[1], near[1], exact[1]))]
    return np.concatenate(a), np.concatenate(b)


@pytest.mark.parametrize("seed", SEEDS, ids=("native", "above", "below"))
def test_soft_division_is_correctly_rounded(device: Any, seed: str) -> None:
    """Whatever the device's own quotient is within OpenCL's 2.5 units; seeds moved by 2 units show it."""
    programs = {n: program_for(n, ("float32",) * FUNCTIONS[n].arity) for n in ("divide", "sqrt", "reciprocal")}
    flags = [
        "-DACCEL_SOFT_DIVIDE",
        *([seed, seed.replace("RECIPROCAL(b)", "SQRT(b)").replace("1.0f/(b)", "sqrt(b)")] if seed else []),
    ]
    built = Built(device, programs, *flags)
    a, b = division_samples()
    with np.errstate(all="ignore"):
        assert not differences(built.run("divide", a, b), a / b, a, b)
        assert not differences(built.run("reciprocal", b), np.float32(1) / b, b)
        x = np.concatenate([np.abs(a), special("float32")])
        assert not differences(built.run("sqrt", x), np.sqrt(x), x)


def test_division_by_float64_is_correctly_rounded(device: Any) -> None:
    """As CPU devices without a correctly rounded float32 division have it (see `OpenCLDevice.options`)."""
    if not device.double_fp_config:
        pytest.skip("the device has no float64: it divides by fma residuals")
    programs = {n: program_for(n, ("float32",) * FUNCTIONS[n].arity) for n in ("divide", "sqrt", "reciprocal")}
    built = Built(device, programs, "-DACCEL_SOFT_DIVIDE", "-DACCEL_WIDE_DIVIDE")
    a, b = division_samples()
    with np.errstate(all="ignore"):
        assert not differences(built.run("divide", a, b), a / b, a, b)
        assert not differences(built.run("reciprocal", b), np.float32(1) / b, b)
        x = np.concatenate([np.abs(a), special("float32")])
        assert not differences(built.run("sqrt", x), np.sqrt(x), x)


def half_samples() -> np.ndarray:
    """Every float16 as float32, what lies between each and the next, and the numbers of float32 beside these."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    between = (halves + np.append(halves[1:], 65536.0)) / 2
    exact = np.concatenate([halves, between]).astype(np.float32)
    near = [exact, np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))]
    return np.concatenate([*near, -exact, special("float32")])


@pytest.mark.parametrize("how", ["-DACCEL_HALF", "-DACCEL_NO_HALF"])
def test_float16_is_converted_as_ieee_has_it(device: Any, how: str) -> None:
    """By the device's conversions, where it has them, and by integers."""
    if how == "-DACCEL_HALF" and "cl_khr_fp16" not in device.extensions.split():
        pytest.skip("the device has no cl_khr_fp16: it converts by integers")
    programs = {
        "narrow": program_for("cast", ("float32",), "float16"), "widen": program_for("cast", ("float16",), "float32")
    }  # fmt: skip
    built, x = Built(device, programs, how), half_samples()
    with np.errstate(all="ignore"):
        assert not differences(built.run("narrow", x), x.astype(np.float16), x)
        halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        assert not differences(built.run("widen", halves), halves.astype(np.float32), halves)


def test_float16_that_is_cut_would_be_seen(device: Any) -> None:
    """The control: rounded towards zero."""
    if "cl_khr_fp16" not in device.extensions.split():
        pytest.skip("the device has no cl_khr_fp16: it converts by integers")
    cut = opencl.PRELUDE.replace("as_ushort((half)x)", "as_ushort(convert_half_rtz(x))")
    assert cut != opencl.PRELUDE
    built = Built(device, {"narrow": program_for("cast", ("float32",), "float16")}, "-DACCEL_HALF", prelude=cut)
    x = half_samples()
    with np.errstate(all="ignore"):
        assert differences(built.run("narrow", x), x.astype(np.float16), x)


@pytest.mark.parametrize("name", ["add", "exp", "maximum", "where", "floor"])
def test_conversions_of_float16_are_calls(name: str) -> None:
    """Programs of float16 have the prelude's conversions, and no others; those of bfloat16 and float32 have none."""
    arity = FUNCTIONS[name].arity
    dtypes = ("bool", "float16", "float16") if name == "where" else ("float16",) * arity
    text = opencl.print_program(program_for(name, dtypes), "f")
    widened = sum(d == "float16" for d in dtypes)
    assert text.count("accel_widen(") in (0, widened) and text.count("accel_narrow(") in (0, 1)
    assert ("accel_widen(" in text) == ("accel_narrow(" in text) or name == "where"
    assert "0x7c00" not in text and "31744" not in text
    for dtype in ("bfloat16", "float32"):
        other = opencl.print_program(program_for(name, tuple(dtype if d == "float16" else d for d in dtypes)), "f")
        assert "accel_widen" not in other and "accel_narrow" not in other


def test_uncorrected_division_would_be_seen(device: Any) -> None:
    """The control: the moved seed alone is not correctly rounded."""
    programs = {"divide": program_for("divide", ("float32", "float32"))}
    wrong = opencl.PRELUDE.replace("return a / b;", "return as_float(as_uint(a / b) + 1u);")
    assert wrong != opencl.PRELUDE
    built = Built(device, programs, "-DACCEL_HARD_DIVIDE", prelude=wrong)
    a, b = division_samples()
    with np.errstate(all="ignore"):
        assert differences(built.run("divide", a, b), a / b, a, b)
