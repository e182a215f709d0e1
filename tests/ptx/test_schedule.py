"""Branches, calls, returns and barriers."""

from collections.abc import Callable

import numpy as np
import pytest

from accel.ptx import run


def test_divergence(by_hand: Callable) -> None:
    """Nested branches, a loop whose trip count is each lane's own, early returns, a shuffle after lanes meet again."""
    out = np.full(64, 5, np.uint32)
    by_hand(
        """mov.u32 %r1, 0; mov.u32 %r2, 0; setp.ge.u32 %p0, %r0, 60; @%p0 ret;
        $LOOP: setp.ge.u32 %p1, %r1, %r0; @%p1 bra $DONE; and.b32 %r3, %r1, 1; setp.eq.b32 %p2, %r3, 0; @!%p2 bra $ODD;
        add.u32 %r2, %r2, 3; bra.uni $NEXT;
        $ODD: add.u32 %r2, %r2, 100;
        $NEXT: add.u32 %r1, %r1, 1; bra.uni $LOOP;
        $DONE: shfl.sync.idx.b32 %r4, %r2, 5, 31, 0x0fffffff; st.global.b32 [%out], %r4; @%p0 bra $LOOP;""",
        out,
        threads=64,
    )

    def cost(n: int) -> int:
        return (n + 1) // 2 * 3 + n // 2 * 100

    assert out.tolist() == [cost(5)] * 32 + [cost(37)] * 28 + [5] * 4


MEETING = """mov.b32 %r1, global_smem; shl.b32 %r2, %r0, 2; add.u32 %r3, %r1, %r2; setp.lt.u32 %p1, %r0, 32;
    @%p1 bra $LATE;
    bar.sync {0}; ld.shared.b32 %r4, [%r3+-128]; st.global.b32 [%out], %r4; bra.uni $END;
    $LATE: add.u32 %r5, %r0, 1000; st.shared.b32 [%r3], %r5; bar.sync {1};
    $END: """


@pytest.mark.parametrize("barrier", ["0", "1, 64"])
def test_barriers(by_hand: Callable, barrier: str) -> None:
    """Two warps meet at different places."""
    out = np.zeros(64, np.uint32)
    by_hand(MEETING.format(barrier, barrier), out, threads=64)
    assert out.tolist() == [0] * 32 + [i + 1000 for i in range(32)]


def test_deadlock(by_hand: Callable) -> None:
    with pytest.raises(RuntimeError, match="deadlock"):
        by_hand(MEETING.format("1, 64", "2, 64"), np.zeros(64, np.uint32), threads=64)


def test_barriers_do_not_wait_for_threads_that_returned(by_hand: Callable) -> None:
    out = np.zeros(64, np.uint32)
    by_hand("setp.ge.u32 %p1, %r0, 32; @%p1 exit; bar.sync 0; st.global.b32 [%out], %r0;", out, threads=64)
    assert out.tolist() == [*range(32), *[0] * 32]


def test_barriers_of_ctas_that_run_together() -> None:
    """Each CTA reverses its 64 elements through its own shared memory, the odd ones over another path."""
    text = """.extern .shared .align 16 .b8 global_smem[];
    .visible .entry k(.param .u64 k_0) { .reg .b32 %r<9>; .reg .b64 %rd<3>; .reg .pred %p<2>;
    ld.param.u64 %rd1, [k_0]; mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mad.lo.u32 %r2, %r1, 64, %r0;
    mov.b32 %r3, global_smem; mad.lo.u32 %r4, %r0, 4, %r3; and.b32 %r7, %r1, 1; setp.eq.u32 %p1, %r7, 1;
    st.shared.u32 [%r4], %r2; @%p1 bra $ODD; bar.sync 0; bra.uni $ON;
    $ODD: bar.sync 0;
    $ON: sub.u32 %r5, 63, %r0; mad.lo.u32 %r4, %r5, 4, %r3; ld.shared.u32 %r6, [%r4];
    mad.wide.u32 %rd2, %r2, 4, %rd1; st.global.u32 [%rd2], %r6; ret; }"""
    for together in (1, 2, 5):
        out = np.zeros(5 * 64, np.uint32)
        run(text, (5, 1, 1), [("Q", out.ctypes.data)], 2, 256, [(out.ctypes.data, out.nbytes)], together)
        assert (out.reshape(5, 64)[:, ::-1].ravel() == np.arange(5 * 64)).all()


CALLS = """.func (.param .b32 result) twice_or(.param .b32 a, .param .b32 b) { .reg .b32 %x<4>; .reg .pred %q;
    ld.param.b32 %x1, [a]; ld.param.b32 %x2, [b]; setp.lt.u32 %q, %x1, 16; @%q bra $SMALL; add.u32 %x3, %x1, %x1;
    st.param.b32 [result+0], %x3; ret;
    $SMALL: st.param.b32 [result+0], %x2; ret; }
    .func (.param .b32 result) endless(.param .b32 a) { .param .b32 r; call.uni (r), endless, (a); ret; }"""


def test_calls(by_hand: Callable) -> None:
    """The same function twice (so its label too), returning from two places, once under a guard."""
    out = np.zeros(32, np.uint32)
    by_hand(
        """{ .param .b32 p0; .param .b32 p1; .param .b32 r0; st.param.b32 [p0+0], %r0; st.param.b32 [p1+0], 7;
        call.uni (r0), twice_or, (p0, p1); ld.param.b32 %r1, [r0+0]; }
        mov.u32 %r2, 1000; setp.ge.u32 %p1, %r0, 8;
        { .param .b32 p0; .param .b32 p1; .param .b32 r0; st.param.b32 [p0+0], %r1; st.param.b32 [p1+0], 5;
        @%p1 call (r0), twice_or, (p0, p1); @%p1 ld.param.b32 %r2, [r0+0]; }
        add.u32 %r1, %r1, %r2; st.global.b32 [%out], %r1;""",
        out,
        module=CALLS,
    )
    once = [2 * i if i >= 16 else 7 for i in range(32)]
    assert out.tolist() == [v + (1000 if i < 8 else 2 * v if v >= 16 else 5) for i, v in enumerate(once)]


def test_recursion_and_unknown_functions_are_refused(by_hand: Callable) -> None:
    out = np.zeros(32, np.uint32)
    for name in ("endless", "vprintf"):
        body = f"{{ .param .b32 p0; .param .b32 r0; call.uni (r0), {name}, (p0); }}"
        with pytest.raises(NotImplementedError, match=r"unsupported PTX instruction: call\.uni"):
            by_hand(body, out, module=CALLS)


def test_unknown_labels_are_refused(by_hand: Callable) -> None:
    with pytest.raises(NotImplementedError, match=r"bra \$NOWHERE"):
        by_hand("bra $NOWHERE;", np.zeros(32, np.uint32))
