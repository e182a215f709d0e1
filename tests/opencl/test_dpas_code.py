"""What ocloc makes of the products on matrix units, for Arc A (dg2) and Data Center Max (pvc). Nothing is run."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from intel_code import BLOCK_READS, OCLOC, SUBNORMALS, TARGETS, Code, Target, compiled
from machine_code import instructions

from accel.dtypes import TABLE
from accel.kernels.opencl import build, dpas, dpas_reads, matmul, matmul_tiles
from accel.scalar import Program, program_for

pytestmark = pytest.mark.skipif(OCLOC is None, reason="ocloc is not installed (Debian package intel-opencl-icd)")

UNITS = [target for target in TARGETS if target.matrix]
DTYPES = (("float16", "float16"), ("bfloat16", "float32"), ("int8", "int32"), ("uint8", "int16"))


def product(
    target: Target,
    dtype: str,
    output: str,
    tiles: dpas.Tiles,
    epilogue: Program | None = None,
    *,
    wide: bool = False,
    forms: tuple[str, str] = (dpas_reads.PACKED, dpas_reads.PACKED),
) -> tuple[str, matmul.Arithmetic, matmul_tiles.Problem]:
    how = matmul.arithmetic(TABLE[dtype], TABLE[output], epilogue)
    its = matmul_tiles.problem((1024, 1024), 4096, [(4096, 1), (1024, 1), (1024, 1)])
    types = build.index_types(1 << 40 if wide else 1 << 20)
    return dpas.source(how, its, tiles, target.sub_group, types, True, forms, dpas_reads.together(forms[0])), how, its


def multiply(target: Target, source: str, tiles: dpas.Tiles) -> Code:
    (kernel,) = compiled(target, source, *tiles.options).kernels
    return kernel


def block_loads(target: Target, lines: list[str]) -> int:
    """Bytes that block reads bring: of registers of 32 bytes, or of as many words as the message's name says."""
    if target.name == "dg2":
        return sum(32 * int(n) for n in re.findall(r"rd:(\d+); oword aligned block read", "\n".join(lines)))
    return sum(4 * int(n) for n in re.findall(r"load\.ugm\.d32x(\d+)t", "\n".join(lines)))


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
@pytest.mark.parametrize("tiles", [dpas.LARGE, dpas.SMALL], ids=["large", "small"])
@pytest.mark.parametrize(("dtype", "output"), DTYPES, ids=str)
def test_main_loop(target: Target, tiles: dpas.Tiles, dtype: str, output: str) -> None:
    """Each tile of either operand is read once by block reads, and each pair multiplied by one instruction, whose
    integers wrap; few instructions stand beside them, and nothing is spilled."""
    source, *_ = product(target, dtype, output, tiles)
    code = multiply(target, source, tiles)
    assert (code.spills, code.simd) == (0, target.sub_group)
    assert code.registers == (256 if tiles.options else 128)
    assert code.control == [SUBNORMALS]
    loop = code.loop
    matrix = [line for line in loop if line.startswith("dpas")]
    assert len(matrix) == code.matrix == tiles.a * tiles.b
    kind = {"float16": "hf", "bfloat16": "bf", "int8": "b", "uint8": "ub"}[dtype]
    total = "f" if TABLE[dtype].kind == "f" else "d"
    assert all(
        re.match(rf"dpas\.8x8 \(\d+\|M0\) +r\d+:{total} +r\d+:{total} +r\d+:{kind} +r[\d.]+:{kind}\b", m)
        for m in matrix
    )
    assert block_loads(target, loop) == 4 * dpas.ROWS * (dpas.ROWS * tiles.a + target.sub_group * tiles.b)
    assert not any(re.search(r"\bslm\b|untyped surface|scratch", line) for line in loop)
    assert len(instructions(loop)) / len(matrix) < (4.2 if tiles is dpas.LARGE else 8)


FORMS = (
    (dpas_reads.A_ROWS, dpas_reads.B_ROWS),
    (dpas_reads.A_ROWS, dpas_reads.B_COLUMNS),
    (dpas_reads.A_ROWS, dpas_reads.PACKED),
    (dpas_reads.PACKED, dpas_reads.B_ROWS),
    (dpas_reads.PACKED, dpas_reads.B_COLUMNS),
)


@pytest.mark.parametrize("target", [t for t in UNITS if t.blocks], ids=lambda t: t.name)
@pytest.mark.parametrize("tiles", [dpas.LARGE, dpas.SMALL], ids=["large", "small"])
@pytest.mark.parametrize(("dtype", "output"), DTYPES, ids=str)
@pytest.mark.parametrize("forms", FORMS, ids=" ".join)
def test_block_reads(target: Target, tiles: dpas.Tiles, dtype: str, output: str, forms: tuple[str, str]) -> None:
    """What is not packed is read by block reads of two axes: a tile of b by one, of a by one for two steps, and nothing
    else but panels is read in the loop. Debian 12's compiler copies what it reads of a before it is multiplied, and
    writes the eight words of each message anew."""
    source, *_ = product(target, dtype, output, tiles, forms=forms)
    code = multiply(target, source, tiles)
    assert (code.spills, code.simd, code.registers) == (0, target.sub_group, 256 if tiles.options else 128)
    at_once = dpas_reads.together(forms[0])
    loop = code.loop
    assert sum(line.startswith("dpas") for line in loop) == code.matrix == at_once * tiles.a * tiles.b
    bits = 8 * TABLE[dtype].itemsize
    kinds = {
        dpas_reads.A_ROWS: (f"d{bits}", tiles.a),
        dpas_reads.B_ROWS: (f"d{bits}v", at_once * tiles.b),
        dpas_reads.B_COLUMNS: ("d32t", at_once * tiles.b),
    }
    found = re.findall(r"^load_block2d\.ugm\.(\w+)\.a64 \(16\|M0\) +r\d+:8 ", "\n".join(loop), re.MULTILINE)
    assert Counter(found) == {kinds[form][0]: kinds[form][1] for form in forms if form in kinds}
    panels = {0: dpas.ROWS * tiles.a, 1: target.sub_group * tiles.b}
    read = sum(words for i, words in panels.items() if forms[i] == dpas_reads.PACKED)
    assert block_loads(target, loop) == 4 * dpas.ROWS * read * at_once
    assert all(re.match(r"load_block2d\.ugm|load\.ugm\.d32x\d+t", m) for m in loop if m.startswith(("load", "send")))
    assert not any(re.search(r"\bslm\b|scratch", line) for line in loop)
    assert len(instructions(loop)) / code.matrix < (6.5 if tiles is dpas.LARGE else 12)


@pytest.mark.parametrize("target", [t for t in UNITS if t.blocks], ids=lambda t: t.name)
@pytest.mark.parametrize(("dtype", "output"), DTYPES[1:3], ids=str)
def test_what_block_reads_are_compiled_to(target: Target, dtype: str, output: str) -> None:
    """Blocks of the size that is in a built-in's name: of the compiler's own functions, which stand for it here."""
    for forms in FORMS[:2]:
        source, *_ = product(target, dtype, output, dpas.SMALL, forms=forms)
        code = compiled(target, source).code
        for form in forms:
            name = dpas_reads.block_read(form, TABLE[dtype])
            assert name.removeprefix("intel_sub_group_2d_block_read_") in BLOCK_READS
            bits, rows, columns, blocks = re.search(r"(\d+)b_(\d+)r(\d+)x(\d+)c$", name).groups()
            transposed, transformed = (str(word in name).lower() for word in ("transpose", "transform"))
            size = f"i32 {bits}, i32 {columns}, i32 {rows}, i32 {blocks}, i1 {transposed}, i1 {transformed})"
            assert re.search(rf"call .*GenISA\.LSC2DBlockRead\..*{re.escape(size)}", code)


@pytest.mark.parametrize("target", [t for t in UNITS if t.blocks], ids=lambda t: t.name)
@pytest.mark.parametrize(("dtype", "output"), DTYPES[1:3], ids=str)
def test_element_by_element(target: Target, dtype: str, output: str) -> None:
    """What reads a matrix that begins where block reads cannot: no spills, either."""
    elements = dpas_reads.ELEMENTS
    for forms in ((elements, elements), (elements, dpas_reads.PACKED), (dpas_reads.PACKED, elements)):
        for tiles in (dpas.LARGE, dpas.SMALL):
            source, *_ = product(target, dtype, output, tiles, forms=forms)
            code = multiply(target, source, tiles)
            assert (code.spills, code.matrix) == (0, tiles.a * tiles.b)


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
def test_packing(target: Target) -> None:
    """Both operands, of 16 and of 8 bits."""
    for dtype, output in DTYPES[1:3]:
        _, how, its = product(target, dtype, output, dpas.LARGE)
        for its_panels in dpas.panels(its, target.sub_group, dpas.LARGE):
            module = compiled(target, dpas.pack_source(how, its_panels, build.index_types(1 << 20), True))
            assert [kernel.spills for kernel in module.kernels] == [0]


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
def test_epilogues_and_wide_offsets_fit_the_registers(target: Target) -> None:
    """A scalar function after the product, and offsets of 64 bits."""
    gelu = program_for("gelu", ("float32",), "float16")
    for forms in ((dpas_reads.PACKED, dpas_reads.PACKED), *(FORMS[:2] if target.blocks else ())):
        for epilogue, wide in ((gelu, False), (None, True)):
            source, *_ = product(target, "float16", "float16", dpas.LARGE, epilogue, wide=wide, forms=forms)
            code = multiply(target, source, dpas.LARGE)
            assert (code.spills, code.matrix) == (0, dpas_reads.together(forms[0]) * dpas.LARGE.a * dpas.LARGE.b)


@pytest.mark.parametrize("target", UNITS, ids=lambda t: t.name)
def test_the_prototype_may_be_said_again(target: Target) -> None:
    """As in a compiler that declares the built-ins itself."""
    forms = FORMS[0] if target.blocks else (dpas_reads.PACKED, dpas_reads.PACKED)
    source, how, _ = product(target, "float16", "float32", dpas.SMALL, forms=forms)
    declared = dpas.declaration(how.operand, target.sub_group)
    if target.blocks:
        declared += "".join(dpas_reads.declaration(form, how.operand) for form in forms)
    again = declared.replace("overloadable", "overloadable, convergent")
    assert declared in source
    code = multiply(target, source.replace(declared, again + declared), dpas.SMALL)
    assert code.matrix == dpas_reads.together(forms[0]) * dpas.SMALL.a * dpas.SMALL.b


def test_too_many_totals_would_be_seen() -> None:
    """The control of spills: large tiles with half the registers."""
    source, *_ = product(UNITS[0], "float16", "float32", dpas.LARGE)
    assert multiply(UNITS[0], source, dpas.Tiles(4, 4)).spills > 0


def test_other_gpus_are_untouched() -> None:
    """Gen12LP has no matrix units: there its ordinary kernel has no such instruction."""
    target = next(t for t in TARGETS if not t.matrix)
    how = matmul.arithmetic(TABLE["float16"], TABLE["float16"], None)
    its = matmul_tiles.problem((1024, 1024), 1024, [(1024, 1), (1024, 1), (1024, 1)])
    source = matmul.tile_source(how, its, matmul_tiles.TILES[4][0], True, target.sub_group)
    assert [kernel.matrix for kernel in compiled(target, source).kernels] == [0]
