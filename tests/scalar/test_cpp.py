"""The generated C++ against the NumPy evaluator, bit for bit, on every instruction set."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import scalar_native
from scalar_samples import CASES, NUMPY, arguments, differences, random, special

from accel.scalar import Program, ProgramBuilder, cpp, program_for
from accel.scalar.convert import DTYPES
from accel.scalar.evaluate import evaluate


@pytest.mark.parametrize("isa", scalar_native.ISAS, ids=lambda isa: isa.name)
def test_every_instruction_set_is_tested_here(isa: scalar_native.Isa) -> None:
    """By the tests below, which leave out what this CPU lacks: hundreds of them."""
    if not scalar_native.runs(isa):
        pytest.skip(f"this CPU lacks {isa.name}: {', '.join(sorted(set(isa.needs) - scalar_native.cpu_flags()))}")


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_functions_agree(native: scalar_native.Library, name: str, dtype: str) -> None:
    arrays = arguments(name, dtype)
    program = program_for(name, tuple(str(a.dtype) for a in arrays))
    assert not differences(native.call(name, dtype, *arrays), evaluate(program, *arrays), *arrays)


@pytest.mark.parametrize("source", DTYPES)
def test_casts_agree(native: scalar_native.Library, source: str) -> None:
    values = np.concatenate([special(source), random(source, 4000)])
    for target in DTYPES:
        if target != source:
            expected = evaluate(program_for("cast", (source,), target), values)
            assert not differences(native.cast(source, target, values), expected, values), target


def support() -> str:
    """What the generated header needs before it."""
    text = scalar_native.SUPPORT.read_text(encoding="utf-8").replace("#pragma once\n", "")
    return text[: text.index('#include "scalar_functions.hpp"')]


def square_plus() -> Program:
    """x * x + x, rounded twice."""
    build = ProgramBuilder("float32")
    return build.finish(build.apply("add", build.apply("square", 0), 0))


@pytest.mark.parametrize(
    ("flags", "program"),
    [
        (("-mavx2", "-mfma", "-ffp-contract=fast"), square_plus()),
        (("-D__builtin_fmaf(a,b,c)=((a)*(b)+(c))",), program_for("exp", ("float32",))),
    ],
    ids=("contracted", "split"),
)
def test_other_roundings_would_be_seen(flags: tuple[str, ...], program: Program, tmp_path: Path) -> None:
    """The control of the agreement tests: a compiler that contracts, and one that splits fma, change bits."""
    if not scalar_native.runs(scalar_native.ISAS[1]):
        pytest.skip("this CPU has no FMA")
    source = tmp_path / "control.cpp"
    source.write_text(
        f"{support()}{cpp.print_program(program, 'f')}}}\n"
        'extern "C" void loop(size_t n, float *r, const float *x) {\n'
        "  for (size_t i = 0; i < n; ++i) r[i] = scalar::f(x[i]);\n}\n",
        encoding="utf-8",
    )
    x = random("float32", 20000)
    expected = evaluate(program, x)
    for extra, same in (((), True), (flags, False)):
        path = tmp_path / f"{same}.so"
        scalar_native.compile_source(source, path, *extra, "-Wno-unused-function", "-shared", "-fPIC")
        found = differences(scalar_native.Library(path).run("loop", x.dtype, x), expected, x)
        assert bool(found) != same, found or f"{flags} changed nothing"


# Loops that need not vectorise: no instruction for them (division and, before AVX-512, conversion of wide integers), or
# nothing to compute; or what a large float64 is reduced by, of which accel's own vectors leave out what no lane needs.
COPIES = r"positive_.*|.*bool.*|(sin|cos|tan)_float64"
NOT_VECTORISED = {"avx2": rf"{COPIES}|cast_.*int64_b?float\d+|cast_b?float\d+_u?int64", "avx512": COPIES}


@pytest.mark.parametrize(
    "isa",
    [
        pytest.param(isa, id=isa.name, marks=[pytest.mark.slow] * (isa != scalar_native.best()))
        for isa in scalar_native.ISAS[1:]
    ],
)
def test_loops_vectorise(isa: scalar_native.Isa, compiled_in: Path) -> None:
    """g++ reports a vectorised loop for every function and cast of floats (its vectoriser, not the CPU, is tested)."""
    if "g++" not in scalar_native.compiler():
        pytest.skip("reads g++'s report")
    found = {name: its for name, its in scalar_native.vectorised(isa, compiled_in).items() if "float" in name}
    missing = [name for name, its in found.items() if not its]
    assert not [name for name in missing if not re.fullmatch(NOT_VECTORISED[isa.name], name)]
    assert len(missing) < len(found) / 3 and "exp_float32" not in missing


def test_tables_are_complete() -> None:
    text = cpp.header()
    for name, dtype in CASES:
        assert f"X({name}, {dtype}, " in text and f" accel_{name}_{dtype}(" in text
    pairs = [(a, b) for a in DTYPES for b in DTYPES if a != b]
    assert all(f"X({a}, {b}, " in text and f" accel_cast_{a}_{b}(" in text for a, b in pairs)
    assert set(NUMPY) == set(DTYPES)
