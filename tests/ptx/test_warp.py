"""Shuffles, votes, reductions and elections in a warp, with all its lanes and with some."""

from collections.abc import Callable

import numpy as np
import pytest

SHUFFLES: list[tuple[str, str, Callable[[int], int]]] = [
    ("down", "3, 31", lambda i: i + 3 if i + 3 < 32 else i),
    ("up", "3, 0", lambda i: i - 3 if i >= 3 else i),
    ("bfly", "5, 31", lambda i: i ^ 5),
    ("idx", "9, 31", lambda i: 9),
    ("down", "3, 0x181f", lambda i: i + 3 if i % 8 < 5 else i),
]


@pytest.mark.parametrize(("mode", "arguments", "want"), SHUFFLES)
def test_shuffles(by_hand: Callable, mode: str, arguments: str, want: Callable[[int], int]) -> None:
    out = np.zeros(32, np.uint32)
    by_hand(
        f"""shfl.sync.{mode}.b32 %r1|%p1, %r0, {arguments}, -1; selp.u32 %r2, 100, 0, %p1; add.u32 %r1, %r1, %r2;
        st.global.b32 [%out], %r1;""",
        out,
    )
    assert [int(v) % 100 for v in out] == [want(i) for i in range(32)]
    assert mode == "idx" or [v >= 100 for v in out] == [want(i) != i for i in range(32)]


def test_shuffles_stay_in_their_warp(by_hand: Callable) -> None:
    out = np.zeros(96, np.uint32)
    by_hand("shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; st.global.b32 [%out], %r1;", out, threads=96)
    assert (out == np.arange(96) ^ 1).all()


VOTES = {
    "ballot.sync.b32 %r1, %p1, -1": lambda on: sum(1 << i for i in range(32) if on[i]),
    "ballot.sync.b32 %r1, !%p1, -1": lambda on: sum(1 << i for i in range(32) if not on[i]),
}
PREDICATES = {"any": any, "all": all, "uni": lambda on: all(on) or not any(on)}


@pytest.mark.parametrize("limit", [0, 7, 32])
def test_votes(by_hand: Callable, limit: int) -> None:
    on = [i < limit for i in range(32)]
    for text, want in VOTES.items():
        out = np.zeros(32, np.uint32)
        by_hand(f"setp.lt.u32 %p1, %r0, {limit}; vote.{text}; st.global.b32 [%out], %r1;", out)
        assert (out == want(on)).all()
    for mode, wanted in PREDICATES.items():
        out = np.zeros(32, np.uint32)
        by_hand(
            f"""setp.lt.u32 %p1, %r0, {limit}; vote.sync.{mode}.pred %p2, %p1, -1;
            selp.u32 %r1, 1, 0, %p2; st.global.b32 [%out], %r1;""",
            out,
        )
        assert (out == wanted(on)).all()


def test_some_lanes(by_hand: Callable) -> None:
    """After a branch: the lanes that are there vote, reduce, elect and shuffle among themselves."""
    out = np.full(64, 9, np.uint32)
    by_hand(
        """and.b32 %r9, %r0, 3; setp.ne.u32 %p1, %r9, 2; @%p1 bra $END;
        activemask.b32 %r1; redux.sync.add.u32 %r2, %r0, 0x44444444; redux.sync.max.s32 %r3, %r0, 0x44444444;
        elect.sync %r4|%p2, 0x44444444; setp.gt.u32 %p3, %r0, 20; vote.sync.ballot.b32 %r5, %p3, 0x44444444;
        selp.u32 %r6, 1000, 0, %p2; xor.b32 %r1, %r1, 0x44444444; add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r6;
        add.u32 %r1, %r1, %r4; shfl.sync.idx.b32 %r7, %r3, 6, 31, 0x44444444; add.u32 %r1, %r1, %r7;
        popc.b32 %r5, %r5;
        shl.b32 %r5, %r5, 16; add.u32 %r1, %r1, %r5; bar.warp.sync 0x44444444; st.global.b32 [%out], %r1;
        $END:""",
        out,
        threads=64,
    )
    for warp in range(2):
        lanes = [i for i in range(32 * warp, 32 * warp + 32) if i % 4 == 2]
        for i in lanes:
            want = sum(lanes) + max(lanes) + 2 + 1000 * (i == lanes[0]) + (sum(v > 20 for v in lanes) << 16)
            assert out[i] == want
    assert (out.reshape(-1, 4)[:, [0, 1, 3]] == 9).all()


def test_redux_of_a_whole_warp(by_hand: Callable) -> None:
    for op, want in (("add", 496), ("min", 0), ("max", 31), ("and", 0), ("or", 31), ("xor", 0)):
        out = np.zeros(32, np.uint32)
        kind = "b32" if op in ("and", "or", "xor") else "u32"
        by_hand(f"redux.sync.{op}.{kind} %r1, %r0, -1; st.global.b32 [%out], %r1;", out)
        assert (out == want).all(), op


def test_missing_lanes_are_an_error(by_hand: Callable) -> None:
    out = np.zeros(32, np.uint32)
    for text in (
        "shfl.sync.idx.b32 %r1, %r0, 0, 31, -1;",
        "bar.warp.sync -1;",
        "redux.sync.add.u32 %r1, %r0, -1;",
        "vote.sync.any.pred %p2, %p1, -1;",
    ):
        with pytest.raises(RuntimeError, match="branched away"):
            by_hand(f"setp.lt.u32 %p1, %r0, 9; @%p1 bra $A; {text} $A: ", out)
        by_hand(f"setp.lt.u32 %p1, %r0, 9; @%p1 exit; {text} $A: ", out)  # those that returned are not waited for


def test_matrices_of_a_warp(by_hand: Callable) -> None:
    """stmatrix and ldmatrix, with and without .trans: two 8x8 matrices through shared memory."""
    rows = "shl.b32 %r1, %r0, 4; mov.b32 %r2, global_smem; add.u32 %r1, %r1, %r2; and.b32 %r1, %r1, 0xff;"
    # lane l holds (2 l, 2 l + 1)
    fragment = "shl.b32 %r3, %r0, 1; shl.b32 %r4, %r3, 16; add.u32 %r3, %r3, %r4; add.u32 %r3, %r3, 0x10000;"
    plain = np.arange(64).reshape(8, 8)
    for store, load, want in (
        ("", "", plain),
        ("", ".trans", plain.T),
        (".trans", "", plain.T),
        (".trans", ".trans", plain),
    ):
        out = np.zeros(32, np.uint32)
        by_hand(
            f"""{rows} {fragment} add.u32 %r5, %r3, 0x400040;
            stmatrix.sync.aligned.m8n8.x2{store}.shared.b16 [%r1], {{%r3, %r5}}; bar.sync 0;
            ldmatrix.sync.aligned.m8n8.x2{load}.shared.b16 {{%r6, %r7}}, [%r1]; sub.u32 %r7, %r7, 0x400040;
            setp.ne.u32 %p1, %r6, %r7; @%p1 trap; st.global.b32 [%out], %r6;""",
            out,
        )
        assert (out.view(np.uint16).reshape(8, 8) == want).all()
    out = np.full(64, 7, np.uint32)  # only the second of two warps
    by_hand(
        f"""{rows} setp.lt.u32 %p1, %r0, 32; @%p1 bra $END; st.shared.b32 [%r1], %r0;
        ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%r6}}, [%r1]; st.global.b32 [%out], %r6; $END:""",
        out,
        threads=64,
        shared=512,
    )
    assert (out[:32] == 7).all() and out[32:].reshape(8, 4)[:, 0].tolist() == [48 + i for i in range(8)]
    with pytest.raises(RuntimeError, match="needs whole warps: @%p1 ldmatrix"):
        by_hand(f"{rows} setp.lt.u32 %p1, %r0, 9; @%p1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{%r6}}, [%r1];", out)
