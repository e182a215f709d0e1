"""Address spaces, loads and stores, variables, asynchronous copies and wrong addresses."""

from collections.abc import Callable

import numpy as np
import pytest

from accel.ptx import BadAccess
from accel.ptx.memory import Global, Private, place_variables
from accel.ptx.parse import Variable


def test_memory_instructions(by_hand: Callable) -> None:
    data, out = np.arange(256, dtype=np.uint8), np.zeros(32, np.uint32)
    by_hand(
        """ld.param.b64 %rd1, [k_1]; mov.b32 %r1, global_smem; shl.b32 %r2, %r0, 3; add.u32 %r1, %r1, %r2;
        cvt.u64.u32 %rd2, %r2; add.u64 %rd1, %rd1, %rd2; setp.lt.u32 %p1, %r0, 16; selp.u32 %r3, 8, 0, %p1;
        cp.async.ca.shared.global [%r1], [%rd1], 8, %r3; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;
        ld.shared.v2.b16 {lo, hi}, [%r1+4]; mov.b32 %r4, {lo, hi};
        ld.global.s8 %r5, [%rd1+1]; add.s32 %r4, %r4, %r5; st.global.b32 [%out], %r4;""",
        out,
        data,
        registers=".reg .b16 lo, hi;",
    )
    words = data.view(np.uint32)[1::2].copy()
    words[16:] = 0
    assert (out == words + data.view(np.int8)[1::8].astype(np.int32).view(np.uint32)).all()


def test_parameters_by_their_addresses(by_hand: Callable) -> None:
    """As where a compiler chooses between addresses rather than between what was loaded."""
    first, second, out = np.full(32, 5, np.uint32), np.full(32, 9, np.uint32), np.zeros(32, np.uint32)
    choose = """mov.b32 %r1, k_1; mov.b32 %r2, k_2; setp.lt.u32 %p1, %r0, 7; selp.b32 %r3, %r1, %r2, %p1;
        ld.param.b64 %rd1, [%r3+OFFSET]; ld.global.u32 %r4, [%rd1]; st.global.b32 [%out], %r4;"""
    by_hand(choose.replace("OFFSET", "0"), out, first, second)
    assert out.tolist() == [5] * 7 + [9] * 25
    with pytest.raises(BadAccess, match="outside"):
        by_hand(choose.replace("OFFSET", "64"), out, first, second)


def test_asynchronous_copies_with_a_cache_policy(by_hand: Callable) -> None:
    """The policy is the last operand, with and without a number of bytes to read; the rest is zeros."""
    data = np.arange(1, 257, dtype=np.uint16).view(np.uint8)
    for given, size in (("", 16), ("%r3,", 8)):
        out = np.zeros(32, np.uint32)
        by_hand(
            f"""ld.param.b64 %rd1, [k_1]; mad.wide.u32 %rd1, %r0, 16, %rd1; mov.b32 %r1, global_smem; mov.b32 %r3, 8;
            mad.lo.u32 %r1, %r0, 16, %r1; createpolicy.fractional.L2::evict_last.b64 %rd2, 1.0;
            cp.async.cg.shared.global.L2::cache_hint.L2::128B [%r1], [%rd1], 16, {given} %rd2; cp.async.wait_all;
            ld.shared.u32 %r4, [%r1+4]; ld.shared.u32 %r5, [%r1+12]; add.u32 %r4, %r4, %r5;
            st.global.b32 [%out], %r4;""",
            out,
            data,
            shared=512,
        )
        words = data.view(np.uint32).reshape(32, 4)
        assert (out == words[:, 1] + (words[:, 3] if size == 16 else 0)).all()


def test_vectors_and_narrow_types(by_hand: Callable) -> None:
    data, out = np.arange(512, dtype=np.uint8), np.zeros(32, np.uint32)
    by_hand(
        """ld.param.b64 %rd1, [k_1]; mad.wide.u32 %rd1, %r0, 16, %rd1;
        ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1]; st.global.v4.b32 [%rd1], {%r4, %r3, %r2, %r1};
        ld.global.v2.b64 {%rd2, %rd3}, [%rd1]; st.global.v2.b64 [%rd1], {%rd3, %rd2};
        ld.global.u8 %r5, [%rd1+3]; ld.global.s16 %r6, [%rd1+6]; st.global.b8 [%rd1+15], %r6;
        add.s32 %r5, %r5, %r6; st.global.b32 [%out], %r5;""",
        out,
        data,
    )
    first = np.arange(512, dtype=np.uint8).reshape(32, 4, 4)
    swapped = first[:, [1, 0, 3, 2]].reshape(32, 16)
    half = np.ascontiguousarray(swapped[:, 6:8]).view(np.int16)[:, 0].astype(np.int32)
    assert (out == (swapped[:, 3].astype(np.int32) + half).view(np.uint32)).all()
    swapped[:, 15] = half.astype(np.uint8)
    assert (data.reshape(32, 16) == swapped).all()


def test_narrow_stores_of_wide_registers(by_hand: Callable) -> None:
    """The low bytes are stored; a load of a signed type is extended by its sign, of an unsigned one by zeros."""
    data, out = np.zeros(64, np.uint16), np.zeros(32, np.uint32)
    by_hand(
        """ld.param.b64 %rd1, [k_1]; mad.wide.u32 %rd2, %r0, 2, %rd1; mul.lo.u32 %r1, %r0, 0x12345678;
        st.global.b16 [%rd2], %r1; mov.b64 %rd3, {%r0, %r1}; st.global.u16 [%rd2+64], %rd3;
        ld.global.s16 %rd4, [%rd2]; ld.global.u16 %r2, [%rd2]; mov.b64 {%r3, %r4}, %rd4;
        sub.u32 %r3, %r2, %r3; st.global.b32 [%out], %r3;""",
        out,
        data,
    )
    low = np.arange(32, dtype=np.uint32) * np.uint32(0x12345678) & 0xFFFF
    assert (data[:32] == low).all() and (data[32:] == np.arange(32)).all()
    assert (out == np.where(low >> 15, 0x10000, 0)).all()


def test_variables(by_hand: Callable) -> None:
    """Constants with initial values, a global that the kernel writes, static shared memory and local memory."""
    out = np.zeros(32, np.uint32)
    by_hand(
        """mov.u64 %rd1, table; and.b32 %r1, %r0, 3; mad.wide.u32 %rd1, %r1, 4, %rd1; ld.global.b32 %r2, [%rd1];
        ld.const.f32 %r3, [number+4]; setp.eq.f32 %p1, %r3, 0f40490FDB; selp.u32 %r3, 1000, 0, %p1;
        st.global.b32 [counter], 50; ld.global.b32 %r4, [counter];
        st.shared.b32 [own], 7; st.shared.b32 [global_smem+252], 9; ld.shared.b32 %r5, [own];
        mov.u64 %rd2, stack; cvta.local.u64 %rd3, %rd2; cvta.to.local.u64 %rd3, %rd3; st.local.b32 [%rd3+4], %r0;
        ld.local.b32 %r6, [stack+4];
        add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4; add.u32 %r2, %r2, %r5; add.u32 %r2, %r2, %r6;
        st.global.b32 [%out], %r2;""",
        out,
        module=""".global .align 4 .b32 table[4] = {100, 0x200, -300, 4};
        .const .align 4 .f32 number[2] = {0f3F800000, 0f40490FDB};
        .global .align 4 .u32 counter;
        .shared .align 4 .b32 own[1];
        .local .align 8 .b8 stack[8];""",
    )
    table = [100, 0x200, -300, 4]
    assert out.tolist() == [(table[i % 4] + 1000 + 50 + 7 + i) & 0xFFFFFFFF for i in range(32)]


def test_registers_and_shared_memory_are_not_zero_by_luck(by_hand: Callable) -> None:
    out = np.zeros(32, np.uint32)
    by_hand("ld.shared.b32 %r1, [global_smem]; xor.b32 %r1, %r1, %r19; st.global.b32 [%out], %r1;", out)
    assert (out == 0xA5A5A5A5 ^ 0xB5B5B5B5).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("st.global.b32 [%out+128], %r0;", "outside the allowed ranges: st.global.b32 [%out+128], %r0"),
        ("ld.global.b32 %r1, [%out+-4];", "outside the allowed ranges"),
        ("mad.wide.u32 %rd1, %r0, 4, %out; ld.global.v2.b32 {%r1, %r2}, [%rd1];", "outside the allowed ranges"),
        ("st.global.b64 [%out], %out;", "misaligned"),
        ("ld.shared.b32 %r1, [global_smem+256];", "outside 256 bytes: ld.shared.b32 %r1, [global_smem+256]"),
        ("ld.shared.b32 %r1, [global_smem+-4];", "outside 256 bytes"),
        ("ld.shared.b32 %r1, [global_smem+2];", "misaligned"),
        ("ld.local.b32 %r1, [0];", "outside 0 bytes"),
        ("cp.async.ca.shared.global [global_smem], [%out+128], 4;", "outside the allowed ranges: cp.async"),
        ("cp.async.ca.shared.global [global_smem], [%out+1], 4;", "misaligned"),
        ("atom.global.add.u32 %r1, [%out+128], 1;", "outside the allowed ranges: atom"),
    ],
)
def test_wrong_addresses(by_hand: Callable, text: str, message: str) -> None:
    with pytest.raises(BadAccess) as caught:
        by_hand(text, np.zeros(32, np.uint32))
    assert message in str(caught.value)


def test_wrong_addresses_of_inactive_lanes_do_not_count(by_hand: Callable) -> None:
    out = np.zeros(32, np.uint32)
    by_hand("setp.lt.u32 %p1, %r0, 31; @%p1 st.global.b32 [%out+4], %r0;", out)
    assert out.tolist() == [0, *range(31)]


def test_no_ranges_means_no_check(by_hand: Callable) -> None:
    other = np.arange(3, 35, dtype=np.uint32)
    memory = Global(None)
    at = memory.at(np.array([other.ctypes.data + 4, other.ctypes.data]), None, 4, "ld")
    assert memory.views[4][at // 4].tolist() == [4, 3]
    for address in (0, 8, Global.BASE - 4, Global.TOP - 2, -8, 1 << 57):
        with pytest.raises(BadAccess):
            memory.at(np.array([address]), None, 4, "ld")
    with pytest.raises(BadAccess, match="outside the allowed"):
        Global([]).at(np.array([other.ctypes.data]), None, 4, "ld")


def test_several_ranges() -> None:
    memory = Global([(0x30000, 16), (0x20000, 8)])
    good, mask = np.array([0x20000, 0x30008, 0x20000]), np.array([True, True, False])
    assert memory.at(good, None, 8, "ld").tolist() == [0x10000, 0x20008, 0x10000]
    assert len(memory.at(np.array([0x20000, 0x30008, 0x20008]), mask, 8, "ld")) == 2
    for address in (0x20008, 0x2FFF8, 0x30010, 0x1FFF8):
        with pytest.raises(BadAccess):
            memory.at(np.array([address]), None, 8, "ld")


def test_private_windows() -> None:
    memory = Private(20, 3, np.array([0, 0, 1, 2]))
    assert memory.size == 32 and (memory.bytes == 0xA5).all() and len(memory.bytes) == 96
    assert memory.at(np.array([0, 16, 16, 28]), None, 4, "ld").tolist() == [0, 16, 48, 92]
    assert memory.at(np.array([0, 16, 99, 28]), np.array([True, False, False, True]), 4, "ld").tolist() == [0, 92]


def test_layout() -> None:
    layout = place_variables(
        [
            Variable("shared", "b8", "dynamic", "", None),
            Variable("shared", "b32", "one", None, None),
            Variable("shared", "b64", "more", "3", None),
            Variable("local", "b8", "stack", "20", None),
            Variable("global", "b16", "halves", "4", "{1, 2}"),
            Variable("global", "u64", "pointer", None, "halves"),
        ],
        100,
    )
    assert {k: layout.symbols[k] for k in ("dynamic", "one", "more", "stack")} == {
        "dynamic": 0,
        "one": 112,
        "more": 128,
        "stack": 0,
    }
    assert layout.sizes == {"shared": 152, "local": 20} and "pointer" not in layout.symbols
    (data,) = layout.constants
    assert data.view(np.uint16).tolist() == [1, 2, 0, 0] and layout.symbols["halves"] == data.ctypes.data
    assert data.ctypes.data % 16 == 0
