"""Pointwise Triton kernels: arithmetic, casts, integers, contraction and library functions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

triton = pytest.importorskip("triton", reason="compiles Triton kernels")
tl = pytest.importorskip("triton.language", reason="compiles Triton kernels")
libdevice = pytest.importorskip("triton.language.extra.libdevice", reason="compiles Triton kernels")


@triton.jit
def vector_add(x, y, z, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    m = i < n
    tl.store(z + i, tl.load(x + i, mask=m) + tl.load(y + i, mask=m, other=3.0), mask=m)


@triton.jit
def poly_exp(x, y, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a = tl.load(x + i, mask=i < n, other=0.0)
    k = (a * 1.4426950408889634 + 12582912.0) - 12582912.0
    r = tl.fma(k, -0.693359375, a)
    r = tl.fma(k, 2.12194440e-4, r)
    p = tl.full([B], 1.3981999507e-3, tl.float32)
    p = tl.fma(p, r, 8.3334519073e-3)
    p = tl.fma(p, r, 4.1665795894e-2)
    p = tl.fma(p, r, 1.6666665459e-1)
    p = tl.fma(p, r, 0.5)
    e = (tl.fma(p * r, r, r) + 1.0) * ((k.to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)
    tl.store(y + i, tl.sqrt_rn(tl.div_rn(e, 1.0 + e)), mask=i < n)


@triton.jit
def mul_add(x, y, z, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a, b = tl.load(x + i, mask=i < n, other=0.0), tl.load(y + i, mask=i < n, other=0.0)
    tl.store(z + i, a * b + a, mask=i < n)


@triton.jit
def double_math(x, y, z, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a, b = tl.load(x + i, mask=i < n, other=1.0), tl.load(y + i, mask=i < n, other=1.0)
    tl.store(z + i, tl.fma(a, b, a / b) - libdevice.sqrt(tl.abs(a)) * libdevice.copysign(b, a), mask=i < n)


@triton.jit
def casts(x, h, b, i, u, f, n, B: tl.constexpr):
    o = tl.program_id(0) * B + tl.arange(0, B)
    v = tl.load(x + o, mask=o < n, other=0.0)
    tl.store(h + o, v.to(tl.float16), mask=o < n)
    tl.store(b + o, v.to(tl.bfloat16), mask=o < n)
    tl.store(i + o, v.to(tl.int32), mask=o < n)
    tl.store(u + o, v.to(tl.float64), mask=o < n)
    tl.store(f + o, v.to(tl.int64).to(tl.float32), mask=o < n)


@triton.jit
def half_math(x, y, z, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a, b = tl.load(x + i, mask=i < n, other=0.0), tl.load(y + i, mask=i < n, other=0.0)
    tl.store(z + i, a * b + a - tl.maximum(a, b), mask=i < n)


@triton.jit
def int_math(x, y, z, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    a, b = tl.load(x + i, mask=i < n, other=1), tl.load(y + i, mask=i < n, other=1)
    u, v = a.to(tl.uint32), b.to(tl.uint32)
    r = (a // b) ^ (a % b) ^ (a << 3) ^ (a >> 5) ^ ~b ^ (u >> 7).to(tl.int32)
    w = a.to(tl.int64) * b.to(tl.int64) + tl.minimum(a, b) - tl.maximum(a, 3) + tl.umulhi(u, v)
    tl.store(z + i, r.to(tl.int64) + w + libdevice.popc(a) + libdevice.clz(b), mask=i < n)


@triton.jit
def sines(x, y, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(y + i, tl.sin(tl.load(x + i, mask=i < n, other=0.0)), mask=i < n)


@pytest.mark.parametrize("together", [1, 3])
def test_vector_add(launch: Callable, same: Callable, together: int) -> None:
    rng = np.random.default_rng(3)
    x, y = (rng.standard_normal(3000).astype(np.float32) for _ in "xy")
    x[:4], y[:4] = [np.inf, 1e-40, -0.0, 3.4e38], [-np.inf, 1e-41, -0.0, 3.4e38]
    with np.errstate(all="ignore"):
        want = x + y
    z = np.full(3100, -1, np.float32)
    launch(vector_add, (3, 1, 1), [x, y, z, 3000], {"B": 1024}, ctas_at_once=together)
    same(z[:3000], want)
    same(z[3000:], np.float32(-1))
    assert z.view(np.uint32)[0] == 0x7FFFFFFF


def test_poly_exp(launch: Callable, same: Callable, libm: Callable) -> None:
    def fma(*values: Any) -> np.ndarray:
        return libm("fmaf", *(np.asarray(v, np.float32) for v in values))

    f = np.float32
    x = (np.random.default_rng(4).standard_normal(2500) * 20).clip(-80, 80).astype(np.float32)
    k = (x * f(1.4426950408889634) + f(12582912)) - f(12582912)
    r = fma(k, f(2.12194440e-4), fma(k, f(-0.693359375), x))
    p = np.full_like(x, 1.3981999507e-3)
    for c in (8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5):
        p = fma(p, r, f(c))
    e = (fma(p * r, r, r) + f(1)) * ((k.astype(np.int32) + 127) << 23).view(np.float32)
    want = np.sqrt(e / (f(1) + e))
    assert abs(want / np.sqrt(1 / (1 + np.exp(-x.astype(np.float64)))) - 1).max() < 1e-5
    y = np.zeros_like(x)
    result = launch(poly_exp, (3, 1, 1), [x, y, 2500], {"B": 1024})
    same(y, want)
    assert result["counts"]["fma.rn.f32"] == 7 * 3 * 1024


def test_double_math(launch: Callable, same: Callable, libm: Callable) -> None:
    """Any bits, ordinary values, subnormal products, and values with few bits."""
    rng, n = np.random.default_rng(5), 500
    top = np.iinfo(np.uint64).max
    any_bits = [rng.integers(0, top, 2 * n, np.uint64, endpoint=True).view(np.float64) for _ in "ab"]
    normal, small, few = ([rng.standard_normal(n) for _ in "ab"] for _ in range(3))
    small, few = [np.ldexp(v, -535) for v in small], [np.round(v * 8) / 8 for v in few]
    a, b = (np.concatenate(parts) for parts in zip(any_bits, normal, small, few, strict=True))
    with np.errstate(all="ignore"):
        want = libm("fma", a, b, a / b) - np.sqrt(abs(a)) * np.copysign(b, a)
    assert np.isfinite(want).sum() > 1000
    z = np.zeros_like(a)
    launch(double_math, (10, 1, 1), [a, b, z, len(a)], {"B": 256})
    same(z, want)


def test_casts(launch: Callable, same: Callable, to_bf16: Callable) -> None:
    rng = np.random.default_rng(15)
    ordinary = rng.standard_normal(1000) * 10.0 ** rng.integers(-8, 8, 1000)
    edges = [np.nan, np.inf, -np.inf, 2.0**31, -(2.0**31), 65520, 65519.996, 2**-25, 3 * 2.0**-25]
    x = np.concatenate([ordinary, edges]).astype(np.float32)
    n, nan = len(x), np.isnan(x)
    with np.errstate(all="ignore"):
        inside = np.clip(x.astype(np.float64), -(2.0**31), 2**31 - 1)
        clipped = np.where(nan, 0, inside).astype(np.int32)
        half = x.astype(np.float16)
        wide = np.where(np.isinf(x), np.sign(x) * 2.0**63, np.where(nan, -(2.0**63), np.trunc(x))) + 0.0
    h, b, i, u, f = (np.zeros(n, t) for t in (np.float16, np.uint16, np.int32, np.float64, np.float32))
    launch(casts, (5, 1, 1), [x, h, b, i, u, f, n], {"B": 256})
    same(h, half)
    same(i, clipped)
    same(u, x.astype(np.float64))
    same(f, wide.astype(np.float32))
    assert (b == np.where(nan, 0x7FFF, to_bf16(x))).all()


def test_half_math(launch: Callable, same: Callable, to_bf16: Callable) -> None:
    x, y = (np.random.default_rng(s).standard_normal(1000).astype(np.float16) for s in (17, 18))
    z = np.zeros_like(x)
    launch(half_math, (4, 1, 1), [x, y, z, 1000], {"B": 256})
    same(z, x * y + x - np.maximum(x, y))

    def widened(v: np.ndarray) -> np.ndarray:
        return (v.astype(np.uint32) << 16).view(np.float32)

    def rounded(v: np.ndarray) -> np.ndarray:
        return widened(to_bf16(v))

    bx, by = to_bf16(x), to_bf16(y)
    a, b = widened(bx), widened(by)
    z = np.zeros_like(bx)
    launch(half_math, (4, 1, 1), [bx, by, z, 1000], {"B": 256})
    assert (z == to_bf16(rounded(rounded(a * b) + a) - np.maximum(a, b))).all()


def test_int_math(launch: Callable, same: Callable) -> None:
    rng = np.random.default_rng(19)
    a = rng.integers(-(2**31), 2**31, 2000).astype(np.int32)
    b = rng.integers(-(2**31), 2**31, 2000).astype(np.int32) >> rng.integers(0, 30, 2000).astype(np.int32)
    b[b == 0] = 7
    u, v = a.view(np.uint32), b.view(np.uint32)
    rem = np.fmod(a.astype(np.int64), b)
    div = ((a - rem) // b).astype(np.int32)
    r = div ^ rem.astype(np.int32) ^ (a << 3) ^ (a >> 5) ^ ~b ^ (u >> 7).view(np.int32)
    high = (u.astype(np.uint64) * v >> np.uint64(32)).astype(np.int64)
    counts = np.array([int(x).bit_count() + 32 - int(y).bit_length() for x, y in zip(u, v, strict=True)])
    want = r.astype(np.int64) + a.astype(np.int64) * b + np.minimum(a, b) - np.maximum(a, 3) + high + counts
    z = np.zeros(2000, np.int64)
    launch(int_math, (8, 1, 1), [a, b, z, 2000], {"B": 256})
    same(z, want)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sines(launch: Callable, kind: type) -> None:
    """Divergent branches, device function calls, local memory and carries: libdevice's reduction of large arguments."""
    x = (10 ** np.random.default_rng(21).uniform(-3, 9, 500)).astype(kind)
    want = np.sin(x.astype(np.float64))
    y = np.zeros_like(x)
    result = launch(sines, (1, 1, 1), [x, y, 500], {"B": 512}, exact=False)
    assert (abs(y - want) / np.spacing(abs(want).astype(kind))).max() <= 2 and result["counts"]


def test_contraction_is_seen(launch: Callable, same: Callable, libm: Callable) -> None:
    """Control: fusion changes bits, and the emulator computes them and counts it."""
    x, y = (np.random.default_rng(s).standard_normal(1024).astype(np.float32) for s in (22, 23))
    plain, fused = x * y + x, libm("fmaf", x, y, x)
    assert (plain != fused).any()
    for fusion, want in ((False, plain), (True, fused)):
        z = np.zeros_like(x)
        result = launch(mul_add, (1, 1, 1), [x, y, z, 1024], {"B": 1024}, fusion=fusion)
        same(z, want)
        assert result["counts"]["fma.rn.f32"] == 1024 * fusion
