"""Floating-point instructions on special values: subnormals, infinities, a NaN, signed zeros, the largest number."""

from collections.abc import Callable

import numpy as np
import pytest

SPECIALS = [0, 0x80000000, 1, 0x80000001, 0x7F800000, 0xFF800000, 0x7FC00001, 0x3F800000, 0x7F7FFFFF, 0x00800000]
ONE, ZERO, MINUS_ZERO = np.float32(1), np.float32(0), np.float32(-0.0)
LARGEST, LEAST = np.float32(3.4028234663852886e38), np.float32(2**-149)
F32 = np.ndarray


def flush(v: F32) -> F32:
    return np.where(abs(v) < np.float32(2**-126), np.copysign(ZERO, v), v)


def add_one_toward_zero(v: F32) -> F32:
    below_one = np.nextafter(ONE, ZERO)
    return np.where(v == -LEAST, below_one, np.where(v == LARGEST, v, v + ONE))


# %r3 from %r1
CASES: list[tuple[str, Callable[[F32], F32]]] = [
    ("add.rn.f32 %r3, %r1, %r1;", lambda v: v + v),
    ("add.rn.ftz.f32 %r3, %r1, %r1;", lambda v: flush(flush(v) + flush(v))),
    ("add.rz.f32 %r3, %r1, 0f3F800000;", add_one_toward_zero),
    ("neg.f32 %r2, %r1; add.rm.f32 %r3, %r1, %r2;", lambda v: np.where(np.isfinite(v), MINUS_ZERO, v * ZERO)),
    ("sub.rn.f32 %r3, %r1, %r1;", lambda v: v - v),
    ("mul.rn.ftz.f32 %r3, %r1, 0f3F000000;", lambda v: flush(flush(v) * np.float32(0.5))),
    ("mul.rn.f32 %r3, %r1, 0f3F000000;", lambda v: v * np.float32(0.5)),
    ("mul.rn.f32 %r3, %r1, -2.5e-1;", lambda v: v * np.float32(-0.25)),
    (
        "mov.b64 %rd1, {%r1, %r0}; mov.b64 %rd2, 0x3F8000003F800000; "
        "fma.rn.f32x2 %rd3, %rd1, %rd2, %rd1; mov.b64 {%r3, _}, %rd3;",
        lambda v: v + v,
    ),
    ("mad.rn.f32 %r3, %r1, 0f40000000, %r1;", lambda v: v * np.float32(3)),
    ("min.f32 %r3, 0f80000000, %r1;", lambda v: np.where(np.isnan(v) | (v >= 0), MINUS_ZERO, v)),
    ("min.f32 %r3, %r1, 0f80000000;", lambda v: np.where(np.isnan(v) | (v >= 0), MINUS_ZERO, v)),
    ("max.f32 %r3, %r1, 0f00000000;", lambda v: np.where(v > 0, v, ZERO)),
    ("max.ftz.f32 %r3, %r1, 0f00000000;", lambda v: np.where(flush(v) > 0, v, ZERO)),
    ("max.NaN.f32 %r3, %r1, 0f00000000;", lambda v: np.where(np.isnan(v), v, np.where(v > 0, v, ZERO))),
    ("add.rn.sat.f32 %r3, %r1, 0f00000000;", lambda v: np.where(v > 0, np.minimum(v, ONE), ZERO)),
    ("cvt.rmi.f32.f32 %r3, %r1;", np.floor),
    ("cvt.rmi.ftz.f32.f32 %r3, %r1;", lambda v: np.floor(flush(v))),
    ("cvt.rpi.f32.f32 %r3, %r1;", np.ceil),
    ("cvt.sat.f32.f32 %r3, %r1;", lambda v: np.where(v > 0, np.minimum(v, ONE), ZERO)),
    ("rcp.rn.f32 %r3, %r1;", lambda v: ONE / v),
    ("div.rn.f32 %r3, 0f40400000, %r1;", lambda v: np.float32(3) / v),
    ("sqrt.rn.f32 %r3, %r1;", np.sqrt),
    ("neg.f32 %r3, %r1;", np.negative),
    ("abs.f32 %r3, %r1;", np.abs),
    ("abs.ftz.f32 %r3, %r1;", lambda v: abs(flush(v))),
    ("copysign.f32 %r3, %r1, 0f40000000;", lambda v: np.copysign(np.float32(2), v)),
    ("slct.f32.f32 %r3, 0f3F800000, 0f40000000, %r1;", lambda v: np.where(v >= 0, ONE, np.float32(2))),
    ("slct.ftz.f32.f32 %r3, 0f3F800000, 0f40000000, %r1;", lambda v: np.where(flush(v) >= 0, ONE, np.float32(2))),
    ("set.geu.f32.f32 %r3, %r1, 0f3F800000;", lambda v: ~(v < 1)),
    ("cvt.f64.f32 %rd1, %r1; cvt.rn.f32.f64 %r3, %rd1;", lambda v: v),
    (
        "cvt.f64.f32 %rd1, %r1; mul.rn.f64 %rd1, %rd1, 0d3FE0000000000000; cvt.rz.f32.f64 %r3, %rd1;",
        lambda v: np.where(abs(v) == LEAST, v * ZERO, v * np.float32(0.5)),
    ),
    ("cvt.rna.tf32.f32 %r3, %r1;", lambda v: np.where(v == LARGEST, np.inf, np.where(abs(v) == LEAST, v * ZERO, v))),
]
COMPARES: list[tuple[str, Callable[[F32], F32]]] = [
    ("lt", lambda v: v < 1),
    ("ltu", lambda v: ~(v >= 1)),
    ("ne", lambda v: (v < 1) | (v > 1)),
    ("neu", lambda v: v != 1),
    ("equ", lambda v: (v == 1) | np.isnan(v)),
    ("ge", lambda v: v >= 1),
    ("nan", np.isnan),
    ("num", lambda v: ~np.isnan(v)),
]
CASES += [
    (f"setp.{name}.f32 %p1, %r1, 0f3F800000; selp.f32 %r3, 0f3F800000, 0f00000000, %p1;", want)
    for name, want in COMPARES
]
CLASSES: list[tuple[str, Callable[[F32], F32]]] = [
    ("finite", np.isfinite),
    ("infinite", np.isinf),
    ("number", lambda v: ~np.isnan(v)),
    ("notanumber", np.isnan),
    ("normal", lambda v: np.isfinite(v) & (abs(v) >= np.float32(2**-126))),
    ("subnormal", lambda v: abs(v) == LEAST),
]
CASES += [(f"testp.{name}.f32 %p1, %r1; selp.f32 %r3, 0f3F800000, 0f00000000, %p1;", want) for name, want in CLASSES]


@pytest.mark.parametrize(("instruction", "want"), CASES, ids=[case[0].split()[0] for case in CASES])
def test_float_instructions(by_hand: Callable, instruction: str, want: Callable[[F32], F32]) -> None:
    specials = np.array(SPECIALS * 4, np.uint32)[:32]
    out = specials.copy()
    by_hand(f"ld.global.b32 %r1, [%out]; {instruction} st.global.b32 [%out], %r3;", out)
    with np.errstate(all="ignore"):
        values = np.asarray(want(specials.view(np.float32)), np.float32).view(np.uint32)
    bits_only = instruction.split(".")[0] in ("neg", "abs") and "add" not in instruction
    canonical = values if bits_only else np.where((values & 0x7FFFFFFF) > 0x7F800000, 0x7FFFFFFF, values)
    assert [f"{v:08x}" for v in out] == [f"{v:08x}" for v in canonical]


LEAST_NORMAL, HALF_ZERO = np.float16(2**-14), np.float16(0)


def half_of(v: np.ndarray) -> np.ndarray:
    """v / 2 + 0 with .ftz: a subnormal v is a zero, to which adding 0 gives +0; a subnormal result keeps its sign."""
    half = v / np.float16(2)
    result = np.where(abs(half) < LEAST_NORMAL, np.copysign(HALF_ZERO, v), half)
    return np.where(abs(v) < LEAST_NORMAL, HALF_ZERO, result)


HALVES: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
    ("add.rn.f16 %h2, %h1, %h1;", lambda v: v + v),
    ("add.rn.ftz.f16 %h2, %h1, %h1;", lambda v: np.where(abs(v) < LEAST_NORMAL, np.copysign(HALF_ZERO, v), v + v)),
    ("fma.rn.ftz.f16 %h2, %h1, 0x3800, 0;", half_of),
    ("max.ftz.f16 %h2, %h1, 0;", lambda v: np.where(v >= LEAST_NORMAL, v, HALF_ZERO)),
    ("abs.ftz.f16 %h2, %h1;", lambda v: np.where(abs(v) < LEAST_NORMAL, HALF_ZERO, abs(v))),
]


@pytest.mark.parametrize(("instruction", "want"), HALVES, ids=[case[0].split()[0] for case in HALVES])
def test_half_instructions_flush_when_told(by_hand: Callable, instruction: str, want: Callable) -> None:
    values = np.array([0, 1, 0x8001, 0x03FF, 0x0400, 0x8400, 0x07FF, 0x3C00, 0xBC00, 0x7BFF, 0x0800, 0x7C00] * 3)[:32]
    out = values.astype(np.uint32)
    by_hand(
        f"""ld.global.b32 %r1, [%out]; cvt.u16.u32 %h1, %r1; {instruction}
        cvt.u32.u16 %r2, %h2; st.global.b32 [%out], %r2;""",
        out,
        registers=".reg .b16 %h<3>;",
    )
    with np.errstate(all="ignore"):
        expected = np.asarray(want(values.astype(np.uint16).view(np.float16)), np.float16).view(np.uint16)
    assert [f"{v:04x}" for v in out] == [f"{v:04x}" for v in expected]


def test_packed_halves(by_hand: Callable) -> None:
    """Each half by itself; cvt packs its first source above its second."""
    out = np.zeros(32, np.uint32)
    by_hand(
        """cvt.rn.f32.u32 %r1, %r0; add.rn.f32 %r2, %r1, 0f3F000000; cvt.rn.f16x2.f32 %r3, %r2, %r1;
        mov.b32 %r4, 0x3C003800; fma.rn.f16x2 %r5, %r3, %r4, %r4; st.global.b32 [%out], %r5;""",
        out,
    )
    lane = np.arange(32)
    low, high = (lane * 0.5 + 0.5).astype(np.float16), (lane + 0.5 + 1).astype(np.float16)
    assert (out == low.view(np.uint16).astype(np.uint32) + (high.view(np.uint16).astype(np.uint32) << 16)).all()


def test_what_is_reported(by_hand: Callable) -> None:
    out = np.zeros(32, np.uint32)
    report = by_hand(
        """add.f32 %r1, %r0, %r0; ex2.approx.f32 %r1, %r0; mul.f32 %r1, %r0, %r0; mul.rn.f32 %r1, %r0, %r0;
        setp.lt.u32 %p1, %r0, 5; @%p1 div.full.f32 %r1, %r0, %r0; add.u32 %r1, %r1, %r1;
        red.global.add.f32 [%out], 0f3F800000; red.global.add.u32 [%out], 1;""",
        out,
    )
    assert report["approximate"] == {"ex2.approx.f32": 32, "div.full.f32": 5}
    assert report["contractible"] == {"add.f32": 32, "mul.f32": 32}
    assert report["unordered"] == {"red.global.add.f32": 32}
    assert report["counts"]["div.full.f32"] == 5 and report["counts"]["mul.rn.f32"] == 32
    assert (out == 0x3F800001).all()


@pytest.mark.parametrize("op", ["ex2", "lg2", "rcp", "rsqrt", "sqrt", "tanh", "sin", "cos"])
def test_approximate_functions(by_hand: Callable, op: str) -> None:
    out = np.linspace(0.1, 5, 32).astype(np.float32).view(np.uint32)
    x = out.view(np.float32).astype(np.float64)
    by_hand(f"ld.global.b32 %r1, [%out]; {op}.approx.f32 %r1, %r1; st.global.b32 [%out], %r1;", out)
    functions = {"ex2": np.exp2, "lg2": np.log2, "rcp": np.reciprocal, "rsqrt": lambda v: v**-0.5}
    want = functions.get(op, getattr(np, op, None))(x)
    assert np.allclose(out.view(np.float32), want, rtol=1e-6, atol=1e-7)
