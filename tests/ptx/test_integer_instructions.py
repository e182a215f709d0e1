"""Integer, bit and selection instructions against Python's integers."""

from collections.abc import Callable

import numpy as np
import pytest

VALUES = np.array(
    [0, 1, 0x80000000, 0xFFFFFFFF, 0x12345678, 0xDEADBEEF, 0x7FFFFFFF, 0x00F0F000] * 4,
    np.uint32,
)
U32 = 0xFFFFFFFF


def signed(v: int) -> int:
    return v - (v >> 31 << 32)


def byte_of(v: int, i: int) -> int:
    return v >> 8 * i & 255


# %r3 from a = %r1 and b = %r2 = ~a
CASES: list[tuple[str, Callable[[int, int], int]]] = [
    ("bfe.u32 %r3, %r1, 5, 9;", lambda a, b: a >> 5 & 511),
    ("bfe.s32 %r3, %r1, 20, 20;", lambda a, b: signed(a) >> 20),
    ("bfe.s32 %r3, %r1, 4, 8;", lambda a, b: (a >> 4 & 255) - ((a >> 11 & 1) << 8)),
    ("bfe.s32 %r3, %r1, 40, 8;", lambda a, b: signed(a) >> 31),
    ("bfe.u32 %r3, %r1, 40, 8;", lambda a, b: 0),
    ("bfe.s32 %r3, %r1, 3, 0;", lambda a, b: 0),
    ("bfi.b32 %r3, %r1, %r2, 7, 10;", lambda a, b: b & ~(1023 << 7) | (a & 1023) << 7),
    ("bfi.b32 %r3, %r1, %r2, 28, 10;", lambda a, b: b & ~(15 << 28) | (a & 15) << 28),
    ("lop3.b32 %r3, %r1, %r2, 12345, 0xe8;", lambda a, b: a & b | a & 12345 | b & 12345),
    (
        "prmt.b32 %r3, %r1, %r2, 0x1f60;",
        lambda a, b: byte_of(a, 0) | byte_of(b, 2) << 8 | (255 << 16) * (b >> 31) | byte_of(a, 1) << 24,
    ),
    ("shf.l.wrap.b32 %r3, %r1, %r2, 13;", lambda a, b: (b << 32 | a) << 13 >> 32),
    ("shf.r.clamp.b32 %r3, %r1, %r2, 40;", lambda a, b: b),
    ("shf.r.wrap.b32 %r3, %r1, %r2, 40;", lambda a, b: (b << 32 | a) >> 8),
    ("shl.b32 %r3, %r1, 32;", lambda a, b: 0),
    ("shl.b32 %r3, %r1, 31;", lambda a, b: a << 31),
    ("mov.u32 %r4, 99; shr.s32 %r3, %r1, %r4;", lambda a, b: signed(a) >> 31),
    ("shr.u32 %r3, %r1, 5;", lambda a, b: a >> 5),
    ("shr.s32 %r3, %r1, 5;", lambda a, b: signed(a) >> 5),
    ("mul.hi.s32 %r3, %r1, %r2;", lambda a, b: signed(a) * signed(b) >> 32),
    ("mul.hi.u32 %r3, %r1, %r2;", lambda a, b: a * b >> 32),
    ("mad.lo.s32 %r3, %r1, %r2, 7;", lambda a, b: a * b + 7),
    (
        "mul.wide.s32 %rd1, %r1, %r2; shr.u64 %rd1, %rd1, 16; mov.b64 {%r3, _}, %rd1;",
        lambda a, b: signed(a) * signed(b) >> 16,
    ),
    ("clz.b32 %r3, %r1;", lambda a, b: 32 - a.bit_length()),
    ("popc.b32 %r3, %r1;", lambda a, b: a.bit_count()),
    ("bfind.s32 %r3, %r1;", lambda a, b: min(a, b).bit_length() - 1),
    ("bfind.u32 %r3, %r1;", lambda a, b: a.bit_length() - 1),
    ("bfind.shiftamt.u32 %r3, %r1;", lambda a, b: 32 - a.bit_length() if a else U32),
    ("brev.b32 %r3, %r1;", lambda a, b: int(f"{a:032b}"[::-1], 2)),
    ("add.cc.u32 %r4, %r1, %r1; addc.u32 %r3, %r2, 0;", lambda a, b: b + (a >> 31)),
    ("sub.cc.u32 %r4, %r1, 2; subc.u32 %r3, %r2, 1;", lambda a, b: b - 1 - (a < 2)),
    ("add.cc.u32 %r4, %r1, %r2; addc.cc.u32 %r4, %r1, %r1; addc.u32 %r3, 0, 0;", lambda a, b: a >> 31),
    (
        "mul.lo.u32 %r4, %r1, %r1; mad.lo.cc.u32 %r5, %r1, %r2, %r4; madc.hi.u32 %r3, %r1, %r2, 3;",
        lambda a, b: (a * b + (a * a & U32) >> 32) + 3,
    ),
    (
        "mov.b64 %rd1, {%r1, %r2}; mul.hi.s64 %rd2, %rd1, %rd1; mov.b64 {_, %r3}, %rd2;",
        lambda a, b: (signed(b) << 32 | a) ** 2 >> 96,
    ),
    ("{ .reg .b16 h, l; mov.b32 {l, h}, %r1; mov.b32 %r3, {h, l}; }", lambda a, b: a >> 16 | a << 16),
    (
        "setp.lt.s32 %p3, %r1, 0; setp.hi.or.u32 %p1, %r1, 1000, %p3; selp.b32 %r3, 1, 2, %p1;",
        lambda a, b: 1 if a > 1000 else 2,
    ),
    (
        "setp.lt.s32 %p3, %r1, 0; setp.gt.and.u32 %p1|%p2, %r1, 1000, !%p3; "
        "selp.b32 %r4, 1, 0, %p1; selp.b32 %r3, 2, %r4, %p2;",
        lambda a, b: 0 if signed(a) < 0 else 1 if a > 1000 else 2,
    ),
    (
        "setp.ge.s32 %p1|%p2, %r1, 5; selp.b32 %r4, 1, 0, %p1; selp.b32 %r3, 2, %r4, %p2;",
        lambda a, b: 1 if signed(a) >= 5 else 2,
    ),
    ("set.lt.u32.s32 %r3, %r1, 1;", lambda a, b: U32 if signed(a) < 1 else 0),
    ("set.eq.f32.u32 %r3, %r1, 1;", lambda a, b: 0x3F800000 if a == 1 else 0),
    ("slct.b32.s32 %r3, 5, 6, %r1;", lambda a, b: 5 if signed(a) >= 0 else 6),
    ("cvt.sat.s8.s32 %r3, %r1;", lambda a, b: max(-128, min(127, signed(a)))),
    ("cvt.sat.u8.s32 %r3, %r1;", lambda a, b: max(0, min(255, signed(a)))),
    (
        "cvt.s64.s32 %rd1, %r1; cvt.u32.u64 %r4, %rd1; shr.s64 %rd1, %rd1, 32; cvt.u32.u64 %r3, %rd1;",
        lambda a, b: U32 * (a >> 31),
    ),
    ("cvt.s32.s8 %r3, %r1;", lambda a, b: (a & 255) - ((a >> 7 & 1) << 8)),
    ("cvt.rn.f32.u32 %r4, %r1; cvt.rzi.u32.f32 %r3, %r4;", lambda a, b: min(int(np.float32(a)), U32)),
    ("div.s32 %r3, %r1, 0; @%p3 add.s32 %r3, %r3, 0;", lambda a, b: U32),
    ("rem.s32 %r3, %r1, 7;", lambda a, b: int(np.fmod(signed(a), 7))),
    ("rem.u32 %r3, %r1, 0;", lambda a, b: a),
    ("neg.s32 %r3, %r1;", lambda a, b: -a),
    ("abs.s32 %r3, %r1;", lambda a, b: abs(signed(a))),
    ("min.s32 %r3, %r1, -2;", lambda a, b: min(signed(a), -2)),
    ("max.u32 %r3, %r1, 77;", lambda a, b: max(a, 77)),
    ("max.relu.s32 %r3, %r1, -2;", lambda a, b: max(signed(a), -2, 0)),
    ("min.relu.s32 %r3, %r1, 77;", lambda a, b: max(0, min(signed(a), 77))),
    ("add.u16x2 %r3, %r1, %r2;", lambda a, b: (a >> 16) + (b >> 16) << 16 | (a & 0xFFFF) + (b & 0xFFFF)),
    ("add.s16x2 %r3, %r1, %r1;", lambda a, b: 2 * (a >> 16) << 16 | 2 * a & 0xFFFF),
    ("max.u16x2 %r3, %r1, %r2;", lambda a, b: max(a >> 16, b >> 16) << 16 | max(a & 0xFFFF, b & 0xFFFF)),
    ("min.u16x2 %r3, %r1, %r2;", lambda a, b: min(a >> 16, b >> 16) << 16 | min(a & 0xFFFF, b & 0xFFFF)),
    ("add.sat.s32 %r3, %r1, %r1;", lambda a, b: max(-(2**31), min(2**31 - 1, 2 * signed(a)))),
    ("sub.sat.s32 %r3, 5, %r1;", lambda a, b: max(-(2**31), min(2**31 - 1, 5 - signed(a)))),
    ("xor.b32 %r3, %r1, 0x0ff0; or.b32 %r3, %r3, 017; not.b32 %r3, %r3;", lambda a, b: ~(a ^ 0x0FF0 | 0o17)),
    ("mov.u32 %r3, %laneid; mov.u32 %r4, %lanemask_lt; popc.b32 %r4, %r4; sub.u32 %r3, %r3, %r4;", lambda a, b: 0),
    ("mov.u32 %r3, WARP_SZ; mov.u32 %r4, %ntid.x; add.u32 %r3, %r3, %r4;", lambda a, b: 64),
    ("mov.b64 %rd1, 0x1122334455667788; mov.b64 {%r3, %r4}, %rd1; sub.u32 %r3, %r3, %r4;", lambda a, b: 0x44444444),
]


@pytest.mark.parametrize(("instruction", "want"), CASES, ids=[case[0].split()[0] for case in CASES])
def test_bit_instructions(by_hand: Callable, instruction: str, want: Callable[[int, int], int]) -> None:
    out = VALUES.copy()
    by_hand(f"ld.global.b32 %r1, [%out]; not.b32 %r2, %r1; {instruction} st.global.b32 [%out], %r3;", out)
    assert out.tolist() == [want(int(v), ~int(v) & U32) & U32 for v in VALUES]


def test_masked_lanes_keep_their_registers(by_hand: Callable) -> None:
    """A guarded instruction, its carry and its second destination touch the lanes of the guard only."""
    out = VALUES.copy()
    by_hand(
        """mov.u32 %r1, 5; setp.lt.u32 %p1, %r0, 10; add.cc.u32 %r2, -1, 0;
        @%p1 add.cc.u32 %r2, -1, 1; @!%p1 mov.u32 %r1, 6; addc.u32 %r3, %r1, 0;
        setp.eq.u32 %p2|%p3, %r0, %r0; @%p1 setp.ne.u32 %p2|%p3, %r0, %r0; selp.b32 %r4, 100, 0, %p2;
        selp.b32 %r5, 1000, 0, %p3; add.u32 %r3, %r3, %r4; add.u32 %r3, %r3, %r5; st.global.b32 [%out], %r3;""",
        out,
    )
    assert out.tolist() == [1006] * 10 + [106] * 22


def test_clocks_go_on(by_hand: Callable) -> None:
    out = np.zeros(32, np.uint32)
    by_hand("mov.u32 %r1, %clock; mov.u64 %rd1, %globaltimer; cvt.u32.u64 %r2, %rd1; sub.u32 %r1, %r2, %r1; "
            "mov.u32 %r3, %clock_hi; add.u32 %r1, %r1, %r3; st.global.b32 [%out], %r1;", out)  # fmt: skip
    assert (out == 1).all()
