"""Atomic operations, from Triton and by hand."""

from collections.abc import Callable

import numpy as np
import pytest

triton = pytest.importorskip("triton", reason="compiles Triton kernels")
tl = pytest.importorskip("triton.language", reason="compiles Triton kernels")


@triton.jit
def atomics(x, hist, total, top, low, lock, n, B: tl.constexpr):
    i = tl.program_id(0) * B + tl.arange(0, B)
    v = tl.load(x + i, mask=i < n, other=0)
    tl.store(hist + 16 + i, tl.atomic_add(hist + v % 16, 1, mask=i < n), mask=i < n)
    tl.atomic_max(top, tl.max(v, 0))
    tl.atomic_min(low + i * 0, v.to(tl.int64), mask=i < n)
    tl.atomic_add(total + i * 0, v.to(tl.float32), mask=i < n)
    tl.atomic_cas(lock + tl.program_id(0), 0, 7)
    tl.atomic_xchg(lock + 8 + tl.program_id(0), 5)


@triton.jit
def bit_atomics(x, y, B: tl.constexpr):
    i = tl.arange(0, B)
    v = tl.load(x + i)
    tl.atomic_and(y + i % 8, v)
    tl.atomic_or(y + 8 + i % 8, v)
    tl.atomic_xor(y + 16 + i % 8, v)
    tl.atomic_add(y + 24 + i % 8, v)


def test_atomics(launch: Callable) -> None:
    v = np.random.default_rng(13).integers(0, 1000, 700).astype(np.int32)
    hist, total, top = np.zeros(800, np.int32), np.zeros(1, np.float32), np.zeros(1, np.int32)
    low, lock = np.full(1, 99999, np.int64), np.zeros(16, np.int32)
    lock[1] = 3
    result = launch(atomics, (3, 1, 1), [v, hist, total, top, low, lock, 700], {"B": 256}, exact=False)
    assert (hist[:16] == np.bincount(v % 16, minlength=16)).all()
    assert top[0] == v.max() and low[0] == v.min() and total[0] == v.sum()
    for bucket in range(16):  # every old value once
        assert sorted(hist[16:716][v % 16 == bucket]) == list(range(hist[bucket]))
    assert lock[:3].tolist() == [7, 3, 7] and lock[8:11].tolist() == [5, 5, 5]
    assert set(result["unordered"]) == {"atom.global.gpu.acq_rel.add.f32"} and not result["approximate"]


def test_bit_atomics(launch: Callable) -> None:
    x, y = np.random.default_rng(14).integers(-9999, 9999, 256), np.repeat(np.array([-1, 0, 0, 0]), 8)
    launch(bit_atomics, (1, 1, 1), [x, y], {"B": 256})
    for i, fn in enumerate((np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.add)):
        assert (y[8 * i : 8 * i + 8] == fn.reduce(x.reshape(-1, 8))).all()


@pytest.mark.parametrize(
    ("op", "operand", "start", "end"),
    [
        ("inc.u32", "5", 0, 32 % 6),
        ("inc.u32", "5", 9, 31 % 6),
        ("dec.u32", "5", 0, (6 - 32 % 6) % 6),
        ("dec.u32", "5", 9, (5 - 31 % 6) % 6),
        ("exch.b32", "%r0", 77, 31),
        ("min.s32", "-4", 3, 0xFFFFFFFC),
        ("max.u32", "%r0", 3, 31),
    ],
)
def test_words(by_hand: Callable, op: str, operand: str, start: int, end: int) -> None:
    """Lanes ascending on one word; each gets the value before its own turn."""
    out = np.zeros(32, np.uint32)
    out[0] = start
    cell = np.array([start], np.uint32)
    by_hand(f"ld.param.b64 %rd1, [k_1]; atom.global.{op} %r1, [%rd1], {operand}; st.global.b32 [%out], %r1;", out, cell)
    assert cell[0] == end and out[0] == start
    again = np.array([start], np.uint32)
    by_hand(f"ld.param.b64 %rd1, [k_1]; red.global.{op} [%rd1], {operand};", out.copy(), again)
    assert again[0] == end


def test_compare_and_swap(by_hand: Callable) -> None:
    """Lane l stores l + 1 where it finds l, so each succeeds in its turn; a destination may be an operand."""
    out, cell = np.zeros(32, np.uint32), np.array([0], np.uint64)
    by_hand(
        """ld.param.b64 %rd1, [k_1]; cvt.u64.u32 %rd2, %r0; add.u64 %rd3, %rd2, 1;
        atom.global.cas.b64 %rd3, [%rd1], %rd2, %rd3; cvt.u32.u64 %r1, %rd3; st.global.b32 [%out], %r1;""",
        out,
        cell,
    )
    assert cell[0] == 32 and out.tolist() == list(range(32))


def test_float_atomics(by_hand: Callable) -> None:
    """In global memory, add.f32 flushes subnormal numbers, as PTX says; in shared memory it keeps them."""
    least = np.array([1], np.uint32)
    for space, address, want in (("global", "[%out]", 0), ("shared", "[%r1]", 2)):
        out = np.repeat(least, 32)
        by_hand(
            f"""mov.b32 %r1, global_smem; mad.lo.u32 %r1, %r0, 4, %r1;
            ld.global.b32 %r2, [%out]; st.shared.b32 [%r1], %r2;
            atom.{space}.add.f32 %r3, {address}, %r2; ld.{space}.b32 %r4, {address}; st.global.b32 [%out], %r4;""",
            out,
        )
        assert (out == want).all()
    cell = np.array([np.nan], np.float32)
    by_hand("ld.param.b64 %rd1, [k_1]; cvt.rn.f32.u32 %r1, %r0; red.global.max.f32 [%rd1], %r1;", out, cell)
    assert cell[0] == 31
