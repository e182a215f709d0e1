"""AMD's machine code of pointwise programs, instruction by instruction: fma, division and roots as written, nothing
that is approximate, rounds twice, or changes how others round."""

from __future__ import annotations

import re
import textwrap
from collections import Counter

import pytest
from machine_code import amd_unwanted
from triton_cases import TARGETS, Recorder, layout, pointwise_case

from accel.backends.triton_kernel import Pointer, Specialization
from accel.dtypes import TABLE
from accel.kernels.triton import reduce
from accel.ops.parameters import Reduction
from accel.scalar import count_fma, program_for

FUSED = re.compile(r"\bv_(pk_|dual_)?(?:fma|fmac|fmaak|fmamk)_f(?:32|64)")
LAX = re.compile(r"\b(?:fadd|fsub|fmul|fdiv|fneg|call)\s+(?:fast|contract|reassoc|afn|arcp|nnan|ninf|nsz)\b")

EXTRA = {("tanh", "gfx942"): 2, ("tanh", "gfx90a"): 2, ("tanh", "gfx950"): 2}
"""fma that a thread has twice: of a pair of elements the compiler computes one again beside another step, packed."""


def lanes_of(text, function):
    """How often LLVM IR calls a function, or has an instruction, counted once for each element of a vector."""
    found = re.findall(rf"{function}\W*(?:<(\d) x )?(?:float|double)", text)
    return sum(int(width or 1) for width in found)


@pytest.mark.parametrize("architecture", ["gfx942", "gfx1100"])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [("tanh", "float32"), ("rsqrt", "float32"), ("asin", "float32"), ("sqrt", "float64"), ("divide", "float64")],
)
def test_fma_are_counted(name, dtype, architecture):
    """As many as the program has, five for each quotient, two for each root of float32 and seven of float64."""
    program = program_for(name, (dtype,) * (2 if name == "divide" else 1))
    device = Recorder(architecture)
    pointwise_case(program)(device)
    (what,) = device.prepared
    kernel = what.compile(TARGETS[architecture], True)
    elements = what.arguments["BY"] * what.arguments["BX"] // (what.num_warps * TARGETS[architecture].warp_size)
    middle, code = kernel.asm["llir"], kernel.asm["amdgcn"].split(".section\t.rodata")[0]
    assert not LAX.search(middle)
    fma = lanes_of(middle, "call (?=.*@llvm.fma)")
    assert fma == count_fma(program) * elements + EXTRA.get((name, architecture), 0)
    roots = lanes_of(middle, "call (?=.*@llvm.sqrt)") * (7 if dtype == "float64" else 2)
    found = sum(2 if packed == "pk_" else 1 for packed in FUSED.findall(code))
    assert found == fma + 5 * lanes_of(middle, "fdiv") + roots
    assert amd_unwanted(kernel.asm["amdgcn"]) == []


NEAR = (1 << 16, 1 << 10)


@pytest.mark.parametrize("architecture", ["gfx942", "gfx1100"])
@pytest.mark.parametrize(
    ("shape", "strides", "near"),
    [
        (NEAR, (1 << 10, 1), True),
        (NEAR, (1 << 14, 1), False),  # 4 GiB from the first to the last
        (NEAR, (1 << 10, -1), False),
        (NEAR, (-(1 << 10), 1), False),
        ((1 << 19, 1 << 10), (1 << 10, 1), False),  # 2 GiB
        (((1 << 19) - 1, 1 << 10), (1 << 10, 1), True),
    ],
)
def test_buffer_instructions_reach_what_is_near(architecture, shape, strides, near):
    """Loads by them are of 32-bit offsets, from the first element on; what is stored is always near here."""
    device = Recorder(architecture)
    x, out = layout(TABLE["float32"], shape, strides, device), layout(TABLE["float32"], shape[:1], None, device)
    reduce._prepare(device.call("reduce", (x,), (out,), Reduction("sum", (1,))))
    first = device.prepared[0]
    assert first.near[-1] == near
    text = first.compile(TARGETS[architecture], True).asm["amdgcn"]
    assert bool(re.search(r"\bbuffer_load", text)) == near
    assert bool(re.search(r"\bglobal_load", text)) != near


def test_lanes():
    """Control: scalars and vectors in LLVM IR, and what is something else."""
    text = """
      %1 = tail call <2 x float> @llvm.fma.v2f32(<2 x float> %0, <2 x float> %0, <2 x float> %0)
      %2 = tail call float @llvm.fma.f32(float %1, float 1.0, float %1)
      %3 = tail call float @llvm.fabs.f32(float %2)
      %4 = fdiv <4 x float> %1, %1
      %5 = fdiv double %1, %1
    """
    assert lanes_of(text, "call (?=.*@llvm.fma)") == 3
    assert lanes_of(text, "fdiv") == 5
    assert LAX.search("%4 = fmul contract float %1, %2") and not LAX.search(text)


DIVISION = """
    v_div_scale_f32 v4, s[0:1], v2, v2, v3
    v_rcp_f32_e32 v5, v4
    v_div_fmas_f32 v6, v6, v5, v7
    v_div_fixup_f32 v2, v6, v2, v3
"""
ROOT = """
    v_sqrt_f32_e32 v3, v2
    v_fma_f32 v7, -v4, v3, v2
    v_cmp_class_f32_e64 s[0:1], v2, v8
"""
INTEGERS = """
    v_cvt_f32_u32_e32 v1, s0
    v_rcp_f32_e32 v1, v1
    v_mul_f32_e32 v1, 0x4f7ffffe, v1
    v_add_u32_e64 v1, v2, v3 clamp
    v_mad_u64_u32 v[0:1], s0, v1, v2, 0
    v_pk_mad_u16 v0, v1, v2, v3
    v_dot4_i32_i8 v0, v1, v2, v3
    v_cvt_f16_f32_e32 v1, v2
"""


def test_sequences_are_none_of_them():
    """Division, roots and quotients of integers begin with approximations; more of these than sequences are seen."""
    assert amd_unwanted(DIVISION + ROOT + INTEGERS) == []
    wide = "v_rsq_f64_e32 v[0:1], v[2:3]\nv_fma_f64 v[4:5], -v[0:1], v[6:7], 0.5"
    assert amd_unwanted(wide) == []
    assert amd_unwanted(f"{wide}\nv_rsq_f64_e32 v[0:1], v[2:3]") == ["v_rsq_f64_e32"]
    assert amd_unwanted(DIVISION + "\n    v_rcp_f32_e32 v5, v4") == ["v_rcp_f32_e32"]
    assert amd_unwanted(ROOT + "    v_s_sqrt_f32 s3, s2") == ["v_s_sqrt_f32"]


@pytest.mark.parametrize(
    "line",
    """
    v_exp_f32_e32 v1, v2
    v_s_exp_f32 s1, s2
    v_log_f32_e32 v1, v2
    v_rsq_f32_e32 v1, v2
    v_rcp_f16_e32 v1, v2
    v_sin_f32_e32 v1, v2
    v_fma_mixlo_f16 v0, v1, v2, 0
    v_mad_f32 v1, v2, v3, v4
    v_mac_f32_e32 v0, v1, v2
    v_fma_f16 v0, v1, v2, v3
    v_pk_fma_f16 v0, v1, v2, v3
    v_pk_mul_f16 v0, v1, v2
    v_mul_legacy_f32_e32 v0, v1, v2
    v_fma_legacy_f32 v0, v1, v2, v3
    v_fma_dx9_zero_f32 v0, v1, v2, v3
    v_dot2_f32_f16 v0, v1, v2, v3
    v_dot2c_f32_f16_e32 v0, v1, v2
    s_setreg_imm32_b32 hwreg(HW_REG_MODE, 0, 2), 3
    s_round_mode 0x3
    s_denorm_mode 0
    v_add_f32_e64 v1, v2, v3 clamp
    v_mul_f32_e64 v1, v2, v3 mul:2
    v_add_f64 v[0:1], v[2:3], v[4:5] div:2
    .sgpr_spill_count: 3
    """.strip().splitlines(),
)
def test_what_is_unwanted_is_seen(line):
    assert len(amd_unwanted(line)) == 1


WRONG = """
    import triton
    import triton.language as tl


    @triton.jit
    def wrong(out, half, x, INDEX: tl.constexpr):
        i = tl.arange(0, 256)
        a = tl.load(x + i)
        h = tl.load(half + i)
        tl.store(half + i, h * h + h)
        tl.store(out + i, tl.exp2(a) + tl.log2(a) + tl.rsqrt(a))
        tl.store(out + 256 + i, tl.clamp(a * 3.0, 0.0, 1.0))
"""


@pytest.mark.parametrize("architecture", ["gfx942", "gfx1100"])
def test_a_kernel_that_has_them(tmp_path, architecture):
    """Control: hardware functions, float16 arithmetic and a clamp, as Triton compiles them."""
    path = tmp_path / "wrong.py"
    path.write_text(textwrap.dedent(WRONG), encoding="utf-8")
    pointers = {"out": Pointer("float32"), "half": Pointer("float16"), "x": Pointer("float32"), "INDEX": None}
    what = Specialization(Recorder(architecture).kernel(str(path), "wrong"), pointers)
    found = Counter(
        re.sub(r"_e(?:32|64)$", "", name)
        for name in amd_unwanted(what.compile(TARGETS[architecture], True, True).asm["amdgcn"])
    )
    print(found)
    for kind in ("v_exp_f32", "v_log_f32", "v_rsq_f32", "f16", "clamp"):
        assert any(kind in name for name in found), kind
