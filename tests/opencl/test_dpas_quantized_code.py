"""What ocloc makes of products with quantised weights on matrix units, for Arc A (dg2) and Data Center Max (pvc), and
which built-ins of 4 bits it has. Nothing is run."""

from __future__ import annotations

import re

import numpy as np
import pytest
from intel_cases import quantized_call
from intel_code import OCLOC, SUBNORMALS, TARGETS, Target, compiled
from machine_code import instructions

import accel
from accel.backends.base import Call
from accel.errors import ArgumentError
from accel.kernels.opencl import dpas, dpas_quantized

pytestmark = pytest.mark.skipif(OCLOC is None, reason="ocloc is not installed (Debian package intel-opencl-icd)")

UNITS = [target for target in TARGETS if target.matrix]
LARGE, SMALL = dpas_quantized.LARGE, dpas_quantized.SMALL
CASES = (("int4", 32, "float16"), ("int8", 4096, "bfloat16"), ("Q6_K", 16, "bfloat16"), ("mxfp4", 32, "float16"))
LATER = (CASES[1:3], CASES[2:])
"""Of large and of small tiles, those that are compiled with --deep."""


def definitions(target: Target, call: Call, tiles: dpas.Tiles, *, wide: bool = False) -> dict[str, object]:
    return dpas_quantized.definitions(call, tiles, target.sub_group, 1 << (40 if wide else 24))


def block_reads(target: Target, lines: list[str]) -> list[int]:
    """Bytes that each block read brings: of registers of 32 bytes, or of as many words as the message's name says."""
    pattern, size = (
        (r"rd:(\d+); oword aligned block read", 32) if target.name == "dg2" else (r"load\.ugm\.d32x(\d+)t", 4)
    )
    return [size * int(n) for n in re.findall(pattern, "\n".join(lines))]


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
@pytest.mark.parametrize(
    ("tiles", "case"),
    [
        pytest.param(tiles, case, marks=[pytest.mark.slow] * (case in later), id=f"{name}-{'-'.join(map(str, case))}")
        for name, tiles, later in zip(("large", "small"), (LARGE, SMALL), LATER, strict=True)
        for case in CASES
    ],
)
def test_loop_of_runs(target: Target, tiles: dpas.Tiles, case: tuple[str, int, str]) -> None:
    """Each tile of either operand is read once by block reads, and each pair multiplied by one instruction; in each run
    scales are read and multiply its sums. Totals are in registers: nothing is spilled, and nothing else is read."""
    call = quantized_call(*case, 1000)
    defined = definitions(target, call, tiles)
    (code,) = compiled(target, dpas_quantized.source(call, defined, True), *tiles.options).kernels
    assert (code.spills, code.simd, code.registers) == (0, target.sub_group, 256 if tiles.options else 128)
    assert code.control == [SUBNORMALS]
    loop, run, pairs = code.loop, int(str(defined["RUN"])), tiles.a * tiles.b
    matrix = [line for line in loop if line.startswith("dpas")]
    assert len(matrix) == code.matrix == run * pairs
    kind = {"float16": "hf", "bfloat16": "bf"}[case[2]]
    assert all(
        re.match(rf"dpas\.8x8 \(\d+\|M0\) +r\d+:f +(?:r\d+|null):f +r[\d.]+:{kind} +r[\d.]+:{kind}\b", m)
        for m in matrix
    )
    assert sum(line.startswith("mad ") for line in loop) == dpas.ROWS * pairs
    scales = 4 * tiles.b * target.sub_group
    words = dpas.ROWS * (dpas.ROWS * tiles.a + target.sub_group * tiles.b)
    assert sum(block_reads(target, loop)) == 4 * run * words + scales
    messages = [line for line in loop if re.match(r"(?:send|load|store)", line)]
    assert len(messages) == len(block_reads(target, loop))
    assert len(instructions(loop)) < dpas.ROWS * pairs + 24 + (5.2 if tiles is LARGE else 6.6) * len(matrix)


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
def test_packing_of_weights(target: Target) -> None:
    """Of integers with zeros, of small floats, of super-blocks."""
    for case in CASES if target is UNITS[0] else CASES[:1]:
        call = quantized_call(*case, 1000)
        module = compiled(target, dpas_quantized.pack_source(call, definitions(target, call, SMALL), True))
        assert [(kernel.spills, kernel.matrix) for kernel in module.kernels] == [(0, 0)]


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
def test_wide_offsets_fit_the_registers(target: Target) -> None:
    call = quantized_call(*CASES[0], 1000)
    source = dpas_quantized.source(call, definitions(target, call, LARGE, wide=True), True)
    (code,) = compiled(target, source, *LARGE.options).kernels
    assert "#define INDEX long" in source
    assert (code.spills, code.matrix) == (0, 2 * LARGE.a * LARGE.b)
    assert not any(re.search(r"scratch|\bss\[", line) for line in code.lines)


def test_too_many_totals_would_be_seen() -> None:
    """The control: twice the tiles do not fit, which spills, or reads and writes in the loop."""
    call, target = quantized_call(*CASES[0], 1000), UNITS[1]
    tiles = dpas.Tiles(4, 4, LARGE.options)
    (code,) = compiled(
        target, dpas_quantized.source(call, definitions(target, call, tiles), True), *tiles.options
    ).kernels
    messages = [line for line in code.loop if re.match(r"(?:send|load|store)", line)]
    assert code.spills or len(messages) > len(block_reads(target, code.loop))


MIXED = """
int8 __attribute__((overloadable)) intel_sub_group_{name}_matrix_mad_k{steps}({left} a, {right} b, int8 c);
__attribute__((intel_reqd_sub_group_size({lanes}))) __kernel void multiply(__global {left} *a, __global {right} *b,
                                                                          __global int8 *c) {{
  const size_t i = get_global_id(0);
  c[i] = intel_sub_group_{name}_matrix_mad_k{steps}(a[i], b[i], c[i]);
}}
"""


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
def test_built_ins_of_4_bits(target: Target) -> None:
    """The compiler has them of 8 by 4 bits, which the extension's text has not, and of 4 by 4. No op has such operands:
    weights of 4 bits meet x in float (docs/status.md)."""
    left = "int8" if target.sub_group == 8 else "short8"
    for name, steps, right, kinds in (("i8_i4", 32, "int4", ("s4", "b")), ("i4_i4", 64, "int8", ("s4", "s4"))):
        source = MIXED.format(name=name, steps=steps, left=left, right=right, lanes=target.sub_group)
        (code,) = compiled(target, source).kernels
        (line,) = (line for line in code.lines if line.startswith("dpas"))
        assert tuple(re.findall(r":(s4|u4|b|ub)\b", line)) == kinds
    packed = accel.nn.PackedWeight.quantized(np.ones((2, 32), np.float32), bits=4)
    with pytest.raises(ArgumentError, match="expected 8 bits"):
        accel.nn.quantized_linear(np.ones((1, 32), np.float32), packed)
