"""Programs printed for Triton: the interpreter and the emulated PTX against the NumPy evaluator, bit for bit.

And the machine code of NVIDIA and AMD targets: no approximation, no flushing, no fma that was not written.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scalar_samples import CASES, arguments, differences, random, special

from accel.scalar import FUNCTIONS, Program, ProgramBuilder, count_fma, program_for
from accel.scalar.convert import DTYPES
from accel.scalar.evaluate import evaluate

pytest.importorskip("triton", reason="needs triton")
pytest.importorskip("torch", reason="needs torch")

import scalar_triton as st

INTERPRETED = [c for c in CASES if c[1] in ("float32", "float64")]
INTERPRETED += [
    pytest.param(*c, marks=[pytest.mark.slow] * (i % 2))
    for i, c in enumerate(c for c in CASES if c[1] in ("int8", "uint64", "bool"))
]
"""Without --deep half of the integers and bools: of those, Triton's interpreter computes with NumPy's own."""
FLOAT_CASES = [(n, d) for n, d in CASES if d.startswith("float")]
WIDE_CASES = [(n, d) for n, d in CASES if d in ("float32", "int32", "bool")]
HARD = (
    "exp",
    "expm1",
    "log1p",
    "exp10",
    "pow",
    "sin",
    "tan",
    "atan2",
    "asinh",
    "cbrt",
    "hypot",
    "sinc",
    "logit",
    "tanh",
    "erf",
    "erfcx",
    "ndtri",
    "gamma",
    "lgamma",
    "i1e",
    "gelu",
    "gelu_tanh",
    "logsigmoid",
    "tanhshrink",
    "floor",
    "ceil",
    "trunc",
    "round",
    "remainder",
    "sqrt",
    "divide",
)
CAST_SOURCES = ("float16", "bfloat16", "float32", "float64", "int64", "uint32", "bool")


def program_of(name: str, dtype: str) -> Program:
    return program_for(name, FUNCTIONS[name].argument_dtypes(dtype))


@pytest.mark.parametrize(("name", "dtype"), INTERPRETED)
def test_interpreter_agrees(name: str, dtype: str, tmp_path: Path) -> None:
    arrays = arguments(name, dtype, 500)
    program = program_of(name, dtype)
    assert not differences(st.interpret(program, tmp_path, *arrays), evaluate(program, *arrays), *arrays)


@pytest.mark.parametrize("source", CAST_SOURCES)
def test_interpreter_casts_agree(source: str, tmp_path: Path) -> None:
    values = np.concatenate([special(source), random(source, 1000)])
    for target in DTYPES:
        if target != source:
            program = program_for("cast", (source,), target)
            assert not differences(st.interpret(program, tmp_path, values), evaluate(program, values), values), target


def emulated(program: Program, folder: Path, target: str, arrays: tuple[np.ndarray, ...]) -> None:
    kernel = st.compiled(program, folder, target)
    text = kernel.asm["ptx"]
    assert not st.FORBIDDEN_PTX.findall(text)
    assert st.count_ptx_fma(text) == count_fma(program)
    got, report = st.emulate(kernel, program, *arrays)
    assert not any(report[key] for key in ("approximate", "unordered", "contractible")), report
    assert not differences(got, evaluate(program, *arrays), *arrays)


@pytest.mark.parametrize(("name", "dtype"), [*WIDE_CASES, *((n, "float64") for n in HARD)])
def test_emulated_ptx_agrees(name: str, dtype: str, tmp_path: Path) -> None:
    emulated(program_of(name, dtype), tmp_path, "sm_80", arguments(name, dtype, 500))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), CASES)
@pytest.mark.parametrize("target", st.NVIDIA)
def test_emulated_ptx_agrees_everywhere(name: str, dtype: str, target: str, tmp_path: Path) -> None:
    emulated(program_of(name, dtype), tmp_path, target, arguments(name, dtype, 500))


@pytest.mark.parametrize("source", CAST_SOURCES)
def test_emulated_casts_agree(source: str, tmp_path: Path) -> None:
    values = np.concatenate([special(source), random(source, 400)])
    targets = DTYPES if source == "float64" else ("float16", "bfloat16", "float32", "int64", "uint8", "bool")
    for target in targets:
        if target != source:
            emulated(program_for("cast", (source,), target), tmp_path, "sm_90", (values,))


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("target", ["sm_90", "AMD by turns"])
def test_machine_code_has_the_fma_that_was_written(name: str, target: str, tmp_path: Path) -> None:
    """On NVIDIA, and on one of AMD's chips; on each of these with --deep, below."""
    its = target if target in st.NVIDIA else tuple(st.AMD)[HARD.index(name) % len(st.AMD)]
    check_machine_code(program_of(name, "float32"), its, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), FLOAT_CASES)
@pytest.mark.parametrize("target", st.AMD)
def test_machine_code_of_everything(name: str, dtype: str, target: str, tmp_path: Path) -> None:
    check_machine_code(program_of(name, dtype), target, tmp_path)


def check_machine_code(program: Program, target: str, folder: Path) -> None:
    kernel = st.compiled(program, folder, target)
    if target in st.NVIDIA:
        assert not st.FORBIDDEN_PTX.findall(kernel.asm["ptx"])
        assert st.count_ptx_fma(kernel.asm["ptx"]) == count_fma(program)
        return
    text = kernel.asm["amdgcn"]
    assert not re.findall(r"v_(?:mad|mac|fma_mix\w*)_(?:f32|f16|legacy)", text)
    assert st.count_amd_fma(text) == st.amd_fma(program)
    # Subnormals are kept: both denormal fields of the float mode are 3.
    assert re.search(r"\.amdhsa_float_denorm_mode_32\s+3", text) and re.search(
        r"\.amdhsa_float_denorm_mode_16_64\s+3", text
    )


def test_float16_epilogue_is_not_fused_with_its_product(tmp_path: Path) -> None:
    """LLVM joins a float32 product and its cast to float16 in one instruction on AMD; rounding by integers does not."""
    build = ProgramBuilder("float32", "float32")
    program = build.finish(build.apply("multiply", 0, 1), "float16")
    for target in st.AMD:
        text = st.compiled(program, tmp_path, target).asm["amdgcn"]
        assert "v_mul_f32" in text and not re.search(r"v_fma_mix|v_cvt_f16", text)


def square_plus() -> Program:
    build = ProgramBuilder("float32")
    return build.finish(build.apply("add", build.apply("square", 0), 0))


def test_contraction_would_be_seen(tmp_path: Path) -> None:
    """The control: with fusion on, the machine code has an fma that was not written, and the emulated bits differ."""
    program = square_plus()
    x = random("float32", 5000)
    expected = evaluate(program, x)
    right = st.compiled(program, tmp_path, "sm_80")
    assert st.count_ptx_fma(right.asm["ptx"]) == 0 and not differences(st.emulate(right, program, x)[0], expected, x)
    wrong = st.compiled(program, tmp_path, "sm_80", fusion=True)
    got, report = st.emulate(wrong, program, x)
    assert st.FORBIDDEN_PTX.findall(wrong.asm["ptx"]) or st.count_ptx_fma(wrong.asm["ptx"]) == 1
    assert report["contractible"] or differences(got, expected, x)
    for target in st.AMD:
        assert st.count_amd_fma(st.compiled(program, tmp_path, target, fusion=True).asm["amdgcn"]) == 1
        assert st.count_amd_fma(st.compiled(program, tmp_path, target).asm["amdgcn"]) == 0
