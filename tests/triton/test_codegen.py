"""What Triton makes of the kernels for real GPUs: no spills, no contraction, products in order.

Compiled here for NVIDIA sm_80, sm_90, sm_100 and AMD gfx90a, gfx942, gfx950, gfx1100, gfx1201. The emulator executes
the sm_* code in other tests; the gfx code is compiled only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
import triton
from machine_code import amd_unwanted, figures, usage
from triton.backends.nvidia.compiler import get_ptxas, sm_arch_from_capability
from triton_cases import (
    CASES,
    EXACT,
    EXP,
    MATRIX_UNITS,
    MULTIPLY_HALF,
    SQUARE_PLUS,
    TARGETS,
    Recorder,
    compiled,
    row_case,
)
from triton_rows import layer_norm, softmax

from accel.backends.triton_host import EmulatedDevice
from accel.kernels.triton import matmul
from accel.registry import OPS
from accel.scalar import count_fma
from accel.testing.compare import check

KIB = 1024
SHARED = {"sm_80": 163 * KIB, "sm_90": 227 * KIB, "sm_100": 227 * KIB, "gfx950": 160 * KIB} | dict.fromkeys(
    ("gfx90a", "gfx942", "gfx1100", "gfx1201"), 64 * KIB
)
"""Shared memory that one program instance can have, in bytes."""

CONTRACTIBLE = re.compile(r"\b(?:add|sub|mul)(?:\.ftz|\.sat)*\.f(?:32|64)\b")
INEXACT = re.compile(r"\S*(?:\.approx|\.ftz|div\.full)\S*")
AMD_FUSED = re.compile(r"\bv_(pk_|dual_)?(?:fma|fmac|fmaak|fmamk)_f(?:32|64)")


def text(kernel):
    return kernel.asm["ptx"] if "ptx" in kernel.asm else kernel.asm["amdgcn"]


def spilled_bytes(kernel, architecture):
    """Bytes, or registers on AMD, that are kept in memory for want of registers."""
    if "amdgcn" in kernel.asm:
        return int(re.findall(r"\.vgpr_spill_count:\s+(\d+)", kernel.asm["amdgcn"])[0])
    _, stack = usage(kernel)
    if stack == 0:
        return 0
    # a stack frame need not be spills: the assembler says which, called as Triton calls it
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(kernel.asm["ptx"], encoding="utf-8")
        command = [
            get_ptxas(TARGETS[architecture].arch).path,
            "-v",
            "-lineinfo",
            "--fmad=false",
            "--regAllocOptLevel=2",
        ]
        command += [f"--gpu-name={sm_arch_from_capability(TARGETS[architecture].arch)}", source, "-o", os.devnull]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        return sum(map(int, re.findall(r"(\d+) bytes spill", said.stderr)))


PUBLISHED = json.loads((Path(__file__).parents[2] / "docs" / "gpu-code.json").read_text(encoding="utf-8"))


def shared_out(whole=()):
    """Every case on every target; without --deep each case on a third of them, which are of both vendors, but those of
    `whole` on all."""
    return [
        pytest.param(case, architecture, marks=[pytest.mark.slow] * ((m + n) % 3 > 0 and case not in whole))
        for m, case in enumerate(CASES)
        for n, architecture in enumerate(TARGETS)
    ]


SHARED_OUT = shared_out()
PROMISED = [case for case in EXACT if case.startswith(("attention", "convolution", "quantized"))]
"""Cases that matrix units would compute with other bits; conftest.py shares them out by itself."""


@pytest.mark.parametrize(("case", "architecture"), SHARED_OUT)
def test_figures_are_those_published(case, architecture):
    """What docs/gpu-code.md says. Where it differs and is meant to: python docs/gpu_code.py."""
    found = [[what.name, *astuple(figures(kernel, architecture))] for what, kernel in compiled(case, architecture)]
    names = PUBLISHED["figures"]
    known = PUBLISHED.get(f"{case} / {architecture}", [])
    assert [dict(zip(names, each, strict=True)) for each in found] == [
        dict(zip(names, each, strict=True)) for each in known
    ]


SPILLED = {"jacobi": 1024}
"""By the first word of a case: Triton keeps all lanes of a row in one thread to fold them, of four sums at once."""


@pytest.mark.parametrize(("case", "architecture"), SHARED_OUT)
def test_resources(case, architecture):
    for what, kernel in compiled(case, architecture):
        assert spilled_bytes(kernel, architecture) <= SPILLED.get(case.partition(" ")[0], 0), what.name
        assert kernel.metadata.shared <= SHARED[architecture], what.name


@pytest.mark.parametrize("architecture", ["sm_80", "sm_100", "gfx1100"])
def test_a_spill_is_seen(architecture, monkeypatch):
    """Control: a larger tile of two warps has more accumulators than a thread has registers."""

    def choose(*arguments):
        return replace(real(*arguments), tile=(128, 128, 32), num_warps=2)

    device, real = Recorder(architecture), matmul.choose
    monkeypatch.setattr(matmul, "choose", choose)
    EXACT["matmul float32"](device)
    what, *_ = device.prepared
    assert spilled_bytes(what.compile(TARGETS[architecture], True), architecture) > 0


def contractions(kernel):
    """Instructions whose bits are open, or that fuse or flush: none are wanted."""
    if "ptx" in kernel.asm:
        return CONTRACTIBLE.findall(text(kernel)) + INEXACT.findall(text(kernel))
    found = [each for each in amd_unwanted(text(kernel)) if "spilled" not in each]  # long joins have many addresses
    return found + [mode for mode in re.findall(r"denorm_mode_\w+ \d", text(kernel)) if not mode.endswith(" 3")]


def fused(kernel):
    """Fused multiply-adds of one thread; a packed one counts as two."""
    if "ptx" in kernel.asm:
        return sum(2 if "x2" in op else 1 for op in re.findall(r"\bfma\.\S+", text(kernel)))
    return sum(2 if packed == "pk_" else 1 for packed in AMD_FUSED.findall(text(kernel)))


@pytest.mark.parametrize(("case", "architecture"), [each for each in shared_out(PROMISED) if each.values[0] in EXACT])
def test_nothing_is_contracted_or_flushed(case, architecture):
    for _, kernel in compiled(case, architecture):
        assert contractions(kernel) == []


def written(case, architecture):
    """Fused multiply-adds that a thread of a case's first kernel has in the source; division and roots add more."""
    (what, _), *_ = compiled(case, architecture)
    lanes = what.num_warps * TARGETS[architecture].warp_size
    programs = {"exp": EXP, "multiply float16": MULTIPLY_HALF, "x * x + x": SQUARE_PLUS}
    if case in programs:
        return count_fma(programs[case]) * what.arguments["BY"] * what.arguments["BX"] // lanes
    if case.startswith("matmul"):
        return what.arguments["BM"] * what.arguments["BN"] * what.arguments["BK"] // lanes
    return 0


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize(
    "case",
    ["exp", "multiply float16", "x * x + x", "sum rows", "sum columns float16", "max of all",
     "matmul float64, chain"],
)  # fmt: skip
def test_fused_only_where_written(case, architecture):
    """As many fused multiply-adds as the program has, for each element of a thread: contraction would add some."""
    for _, kernel in compiled(case, architecture):
        assert fused(kernel) == written(case, architecture)


@pytest.mark.parametrize("architecture", TARGETS)
def test_fusion_is_seen(architecture):
    """Control: with fusion allowed, x * x + x becomes a fused multiply-add on AMD, and may become one on NVIDIA."""
    for _, kernel in compiled("x * x + x", architecture, fusion=True):
        assert contractions(kernel) or fused(kernel) > written("x * x + x", architecture)


# rows

ACCESS = re.compile(r"\b(?:ld|st)\.global\S*|\b(?:global|buffer)_(?:load|store)_\w+")
WIDE = re.compile(r"v4\.b32|v2\.b64|dwordx4|b128")


def narrow(kernel):
    """Accesses of global memory that are not 16 bytes wide, and how many are."""
    found = ACCESS.findall(text(kernel))
    return [access for access in found if not WIDE.search(access)], len(found)


@pytest.mark.parametrize("architecture", TARGETS)
def test_rows_are_accessed_16_bytes_at_once(architecture):
    """Elements of rows whose length is a multiple of 16; what is narrow are numbers of a whole row or block."""
    for case in ("softmax, short rows", "softmax, rows", "softmax float16, rows", "join of lines"):
        ((_, kernel),) = compiled(case, architecture)
        assert narrow(kernel) == ([], narrow(kernel)[1]), case
    for case in ("layer_norm, rows", "layer_norm float64, long rows", "softmax, few long rows"):
        for _, kernel in compiled(case, architecture):
            accesses, count = narrow(kernel)
            assert len(accesses) <= 3, case
            assert count > len(accesses), case


@pytest.mark.parametrize("architecture", ["sm_90", "gfx942", "gfx1201"])
def test_a_narrow_access_is_seen(architecture):
    """Control: rows of 1,001 elements begin at any address."""
    device = Recorder(architecture)
    row_case(softmax(), 1000, 1001)(device)
    (what,) = device.prepared
    assert narrow(what.compile(TARGETS[architecture], True))[0]


def seconds_to_compile(what, architecture):
    """Of processor time, whatever Triton's cache has."""
    with triton.knobs.compilation.scope():
        triton.knobs.compilation.always_compile = True
        before = os.times()
        what.compile(TARGETS[architecture], True)
        after = os.times()
    return sum(after[:4]) - sum(before[:4])


@pytest.mark.parametrize("architecture", ["sm_90", "gfx942"])
def test_rows_compile_quickly(architecture):
    """Each width of a tile takes at most 3 s of processor time, in one of three tries: a core whose other half works
    takes up to twice as much."""
    for n in (16, 64, 256, 1024, 4096, 8192):
        device = Recorder(architecture)
        row_case(layer_norm(), 1000, n)(device)
        for what in device.prepared:
            for _ in range(3):
                seconds = seconds_to_compile(what, architecture)
                print(f"{architecture} {n}: {what.num_warps} warps, tile {what.arguments['WIDTH']}: {seconds:.2f} s")
                assert seconds > 0.01
                if seconds <= 3:
                    break
            assert seconds <= 3


# the order of float32 products


def ascending_chains(llir):
    """Lengths of the chains of fma in LLVM IR whose operands are read from ascending shared addresses, and of others.

    A chain goes on while an fma's addend is the fma before. An operand's place is the constant offset of its address
    from the register that the address starts from; what is not read from shared memory so has no place.
    """
    places, chains, last = {}, [], {}
    for line in llir.splitlines():
        name, _, value = line.strip().partition(" = ")
        if m := re.match(r"getelementptr .*?ptr addrspace\(3\) (%[\w.]+), i32 (\d+)\b", value):
            root, offset = places.get(m[1], (m[1], 0))
            places[name] = (root, offset + int(m[2]))
        elif m := re.match(r"load (?:float|<\d+ x float>), ptr addrspace\(3\) (%[\w.]+)", value):
            places[name] = places.get(m[1], (m[1], 0))
        elif (m := re.match(r"extractelement <\d+ x float> (%[\w.]+), i64 (\d+)", value)) and m[1] in places:
            root, offset = places[m[1]]
            places[name] = (root, offset + 4 * int(m[2]))
        elif m := re.match(r".*@llvm\.(?:fma|fmuladd)\.f32\(float (\S+), float (\S+), float (\S+)\)", value):
            chain = last.pop(m[3], None)
            if chain is None:
                chains.append(chain := [])
            chain.append((places.get(m[1]), places.get(m[2])))
            last[name] = chain
    good, bad = Counter(), Counter()
    for chain in chains:
        columns = [[place for place in column if place is not None] for column in zip(*chain, strict=True)]
        ordered = all(
            len(column) == len(chain)
            and len({root for root, _ in column}) == 1
            and column == sorted(set(column), key=lambda p: p[1])
            for column in columns
        )
        (good if ordered else bad)[len(chain)] += 1
    return good, bad


@pytest.mark.parametrize("architecture", ["sm_80", "gfx1100"])
def test_dot_is_an_ascending_chain_of_fma(architecture):
    """Every accumulator of a thread: one fma for each k of the tile, k ascending; as many fused in machine code.

    sm_80 shows that the method reads rightly, as its code is executed too; gfx1100 is compiled only.
    """
    ((what, kernel),) = compiled("matmul float32, small and odd", architecture)
    tile = what.arguments
    good, bad = ascending_chains(kernel.asm["llir"])
    accumulators = tile["BM"] * tile["BN"] // (what.num_warps * TARGETS[architecture].warp_size)
    assert not bad
    assert set(good) == {tile["BK"]}
    assert good[tile["BK"]] % accumulators == 0
    assert fused(kernel) == good[tile["BK"]] * tile["BK"]


def test_another_order_is_seen():
    """Control: the same reading of a chain whose k descends, and of one that repeats a k."""
    line = "  {} = tail call float @llvm.fmuladd.f32(float {}, float {}, float {})\n"
    load = "  %{0} = getelementptr inbounds nuw i8, ptr addrspace(3) %1, i32 {1}\n"
    load += "  %1{0} = load float, ptr addrspace(3) %{0}, align 4\n"
    head = "".join(load.format(n, 64 * n) for n in (2, 3, 4))
    for order, expected in (((2, 3, 4), True), ((4, 3, 2), False), ((2, 2, 3), False)):
        body, before = "", "0.0"
        for step, n in enumerate(order):
            body += line.format(f"%9{step}", f"%1{n}", f"%1{n}", before)
            before = f"%9{step}"
        good, bad = ascending_chains(head + body)
        assert bool(good) == expected
        assert bool(bad) != expected


@pytest.mark.parametrize("architecture", ["gfx90a", "gfx942", "gfx950"])
def test_dot_uses_float32_matrix_instructions(architecture):
    """float32 operands enter as they are, not as XF32 or bfloat16."""
    for case in ("matmul float32", "matmul float16 widened"):
        ((_, kernel),) = compiled(case, architecture)
        found = Counter(re.findall(r"\bv_mfma_\w+", text(kernel)))
        assert found
        assert all(map(FLOAT32_UNIT.fullmatch, found)), found


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_float64_matrix_instructions(architecture):
    """float64 products have no fma beside NVIDIA's matrix instructions. Whether these add in order, each GPU is
    asked."""
    ((_, kernel),) = compiled("matmul float64", architecture)
    assert re.search(r"mma\.sync\.\S+\.f64\.f64\.f64\.f64", text(kernel))
    assert fused(kernel) == 0


@pytest.mark.parametrize("architecture", TARGETS)
def test_matrix_units_are_used(architecture):
    """16-bit products in "default" reach wgmma, tcgen05, mma, MFMA or WMMA."""
    unit = {"sm_80": "mma.sync", "sm_90": "wgmma", "sm_100": "tcgen05.mma"}.get(architecture)
    unit = unit or ("v_wmma" if architecture.startswith("gfx1") else "v_mfma")
    (_, kernel), *_ = compiled("matmul float16", architecture)
    assert unit in text(kernel)


@pytest.mark.parametrize(
    ("case", "count"),
    [("attention", 1), ("attention, one query", 2), ("attention float16, fast, one query", 3), ("attention, fast", 2),
     ("convolution", 1),
     ("convolution, fast", 1), ("quantized 8", 2), ("quantized 8, fast", 1), ("matmul float32", 1),
     ("matmul float32, one row", 2), ("matmul bfloat16, one row", 2)],
)  # fmt: skip
def test_launches(case, count):
    """As docs/compositions.md lists them; these attentions are causal, these convolutions padded."""
    device = Recorder("sm_90")
    CASES[case](device)
    assert len(device.prepared) == count


FAST = [case for case in MATRIX_UNITS if "fast" in case and not case.startswith("matmul")]
"""Cases whose first kernel is for matrix units; a second one is the canonical one."""

UNIT = re.compile(r"\bmma\.sync|\bwgmma\.mma|\btcgen05\.mma|\bv_(?:s?wmma|s?mfmac?)_")


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", FAST)
def test_matrix_units_are_used_in_fast(case, architecture):
    """Where they take the dtype: float32 as TF32 on NVIDIA and as XF32 on gfx942, elsewhere the canonical kernel."""
    (what, kernel), *rest = compiled(case, architecture)
    wide = what.arguments["x" if "x" in what.arguments else "query"].dtype == "float32"
    units = not wide or architecture.startswith("sm_") or architecture == "gfx942"
    units = units or (
        what.name in ("convolve_dot", "quantized_tile") and architecture.startswith("gfx9")
    )  # float32 as it is
    assert bool(UNIT.search(text(kernel))) == units
    assert not any(UNIT.search(text(each)) for _, each in rest)


FLOAT32_UNIT = re.compile(r"v_mfma_f32_\d+x\d+x\d+(?:_\d+b)?_?f32(?:_e64)?")
"""AMD's matrix instruction whose operands are float32 as they are; that of 4 by 4 has 16 blocks of one k each, of other
columns. Whether it adds in order, each GPU is asked."""


@pytest.mark.parametrize("architecture", TARGETS)
@pytest.mark.parametrize("case", PROMISED)
def test_no_matrix_units_where_bits_are_promised(case, architecture):
    for what, kernel in compiled(case, architecture):
        found = {line.split()[0] for line in text(kernel).splitlines() if UNIT.search(line)}
        if what.name in ("convolve_dot", "quantized_tile") and architecture.startswith("gfx9"):
            assert all(map(FLOAT32_UNIT.fullmatch, found)), found
        else:
            assert not found


@pytest.mark.parametrize("architecture", ["sm_100", "sm_120"])
def test_dot_on_newer_chips(architecture):
    """The fma code of chips that no device stands for, executed."""
    device = EmulatedDevice("triton", f"triton:emulated-{architecture}", "emulated", "", selection="named")
    rng = np.random.default_rng(19)
    check(
        OPS["matmul"],
        device,
        (rng.standard_normal((20, 300), np.float32), rng.standard_normal((300, 70), np.float32)),
        {},
    )
    assert not any(device.counts.values())
