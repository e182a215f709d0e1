"""Matrix products: the order of float32's fma chain, tensor cores, and Hopper's instructions refused."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

triton = pytest.importorskip("triton", reason="compiles Triton kernels")
tl = pytest.importorskip("triton.language", reason="compiles Triton kernels")


@triton.jit
def matmul(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, T: tl.constexpr, P: tl.constexpr):
    rm, rn, rk = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, BK)
    acc = tl.zeros([BM, BN], T)
    for k in range(0, K, BK):
        kk = k + rk
        x = tl.load(a + rm[:, None] * K + kk[None, :], mask=(rm[:, None] < M) & (kk[None, :] < K), other=0)
        y = tl.load(b + kk[:, None] * N + rn[None, :], mask=(kk[:, None] < K) & (rn[None, :] < N), other=0)
        acc = tl.dot(x, y, acc, input_precision=P, out_dtype=T)
    tl.store(c + rm[:, None] * N + rn[None, :], acc, mask=(rm[:, None] < M) & (rn[None, :] < N))


def constants(bm: int, bn: int, bk: int, T: Any, precision: str = "ieee") -> dict[str, Any]:
    return {"BM": bm, "BN": bn, "BK": bk, "T": T, "P": precision}


@triton.jit
def tile_copy(x, y, M, N, BM: tl.constexpr, BN: tl.constexpr):
    r, c = tl.program_id(0) * BM + tl.arange(0, BM), tl.arange(0, BN)
    tile = tl.make_tensor_descriptor(x, [M, N], [N, 1], [BM, BN]).load([tl.program_id(0) * BM, 0])
    tl.store(y + r[:, None] * N + c[None, :], tile)


@pytest.fixture
def chain(libm: Callable) -> Callable[..., np.ndarray]:
    """a @ b as one fma chain an element, over k in the given order."""

    def product(a: np.ndarray, b: np.ndarray, order: Iterable[int]) -> np.ndarray:
        acc = np.zeros((a.shape[0], b.shape[1]), a.dtype)
        for k in order:
            acc = libm("fmaf" if a.dtype == np.float32 else "fma", a[:, k, None], b[None, k], acc)
        return acc

    return product


@pytest.mark.parametrize(("M", "N", "K"), [(64, 64, 96), (100, 70, 75)])
def test_matmul_is_an_ascending_fma_chain(
    launch: Callable, same: Callable, chain: Callable, M: int, N: int, K: int
) -> None:
    rng = np.random.default_rng(11)
    a, b = ((rng.standard_normal(s) * 2.0 ** rng.integers(-8, 8, s)).astype(np.float32) for s in ((M, K), (K, N)))
    a[0], b[:, 0] = a[0] * np.float32(1e-25), b[:, 0] * np.float32(1e-18)  # subnormal products and sums
    a[1], b[:, 1] = 0, 0
    # The second product lies halfway, and the first decides: rounding twice shows.
    a[1, :2] = b[:2, 1] = [2.0**-40, 1 + 2.0**-12]
    want = chain(a, b, range(K))
    unfused = sum((a[:, k, None] * b[None, k] for k in range(K)), np.zeros_like(want))
    for other in (chain(a, b, reversed(range(K))), unfused):
        assert (other != want).mean() > 0.2  # the check can tell an order, and an unfused product, apart
    for warps, (bm, bn, bk) in ((4, (64, 64, 32)), (8, (32, 64, 16))):
        c = np.full((M, N), -1, np.float32)
        grid = (-(-M // bm), -(-N // bn), 1)
        result = launch(matmul, grid, [a, b, c, M, N, K], constants(bm, bn, bk, tl.float32), warps)
        same(c, want)
        assert result["counts"]["fma.rn.f32"] == grid[0] * grid[1] * bm * bn * -(-K // bk) * bk


def run_40_48_64(launch: Callable, a: np.ndarray, b: np.ndarray, out: type, T: Any, exact: bool) -> tuple:
    c = np.zeros((40, 48), out)
    result = launch(matmul, (2, 2, 1), [a, b, c, 40, 48, 64], constants(32, 32, 32, T), exact=exact)
    return c, result


def test_matmul_tensor_cores(launch: Callable, same: Callable, chain: Callable, to_bf16: Callable) -> None:
    rng = np.random.default_rng(12)
    a, b = rng.integers(-128, 128, (40, 64)).astype(np.int8), rng.integers(-128, 128, (64, 48)).astype(np.int8)
    c, _ = run_40_48_64(launch, a, b, np.int32, tl.int32, exact=True)
    assert (c == a.astype(np.int32) @ b.astype(np.int32)).all()
    p, q = (rng.standard_normal(s) for s in ((40, 64), (64, 48)))
    c, result = run_40_48_64(launch, p, q, np.float64, tl.float64, exact=False)
    assert result["approximate"]  # the order of an f64 mma is not documented: reported, and emulated as ascending
    same(c, chain(p, q, range(64)))
    half = [v.astype(np.float16) for v in (p, q)]
    brain_bits = [to_bf16(v) for v in (p, q)]
    brain = [(v.astype(np.uint32) << 16).view(np.float32) for v in brain_bits]
    for given, (x, y) in ((half, half), (brain_bits, brain)):
        c, result = run_40_48_64(launch, *given, np.float32, tl.float32, exact=False)
        assert result["approximate"]
        assert np.allclose(c, x.astype(np.float64) @ y.astype(np.float64), rtol=1e-5, atol=1e-5)


def test_tf32_drops_the_low_bits(launch: Callable, target: int) -> None:
    """Exact for operands of 11 bits; bits below those are lost, and with ieee are not."""
    rng = np.random.default_rng(26)
    a, b = (rng.integers(-31, 31, s).astype(np.float32) for s in ((40, 64), (64, 48)))
    a[a == 0] = 1
    bm = 32 if target == 80 else 16  # too few rows for wgmma
    grid = (-(-40 // bm), 2, 1)
    for x, lost in ((a, False), (a + np.copysign(np.float32(2.0**-12), a), True)):
        got = {}
        for precision in ("tf32", "ieee"):
            got[precision] = np.zeros((40, 48), np.float32)
            args = [x, b, got[precision], 40, 48, 64]
            result = launch(matmul, grid, args, constants(bm, 32, 32, tl.float32, precision), exact=False)
            assert bool(result["approximate"]) == (precision == "tf32")
        assert (got["tf32"] == a @ b).all() and (got["ieee"] != a @ b).any() == lost


def test_hopper_instructions_are_refused(launch: Callable, same: Callable, target: int) -> None:
    a, c = np.zeros((64, 64), np.float16), np.zeros((64, 64), np.float32)
    blocks = constants(64, 64, 64, tl.float32)
    x, y = np.random.default_rng(25).standard_normal((2, 64, 64)).astype(np.float32)
    copy = (tile_copy, (4, 1, 1), [x, y, 64, 64], {"BM": 16, "BN": 64})
    if target == 80:  # without the hardware's, a descriptor is plain loads
        launch(matmul, (1, 1, 1), [a, a, c, 64, 64, 64], blocks, exact=False)
        launch(*copy)
        same(y, x)
        return
    with pytest.raises(NotImplementedError, match="wgmma"):
        launch(matmul, (1, 1, 1), [a, a, c, 64, 64, 64], blocks)
    with pytest.raises(NotImplementedError, match="unsupported PTX instruction"):
        launch(*copy)
