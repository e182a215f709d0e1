"""Arguments, grids, refusals, interruption and concurrent launches."""

import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from accel.ptx import BadAccess, run

EMPTY = {"counts": Counter(), "approximate": Counter(), "unordered": Counter(), "contractible": Counter()}
# out[4 * cta + tid] = tid + scale, one warp of which four threads work
SCALE = """.visible .entry scale(.param .u64 scale_0, .param .u32 scale_1, .param .u64 scale_2) {
    .reg .b32 %r<6>; .reg .b64 %rd<4>; .reg .pred %p<2>;
    mov.u32 %r1, %tid.x; setp.ge.u32 %p1, %r1, 4; @%p1 ret;
    ld.param.u64 %rd1, [scale_0]; ld.param.u32 %r2, [scale_1]; ld.param.u64 %rd3, [scale_2];
    mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ctaid.y; mov.u32 %r5, %nctaid.x; mad.lo.u32 %r3, %r4, %r5, %r3;
    mov.u32 %r4, %ctaid.z; mov.u32 %r0, %nctaid.y; mul.lo.u32 %r5, %r5, %r0; mad.lo.u32 %r3, %r4, %r5, %r3;
    mad.lo.u32 %r3, %r3, 4, %r1; mad.wide.u32 %rd2, %r3, 4, %rd1; add.u32 %r1, %r1, %r2; cvt.u32.u64 %r5, %rd3;
    add.u32 %r1, %r1, %r5; st.global.u32 [%rd2], %r1; ret; }"""
LOOP = ".visible .entry forever() { .reg .b32 %r<2>; $L: mov.u32 %r1, %tid.x; bra.uni $L; }"


def launch(out: np.ndarray, grid: tuple[int, ...] = (1, 1, 1), scale: int = 0, **more: int) -> dict:
    args = [("Q", out.ctypes.data), ("i", scale)]
    return run(SCALE, grid, args, 1, 0, [(out.ctypes.data, out.nbytes)], **more)


@pytest.mark.parametrize("together", [1, 4, 100])
@pytest.mark.parametrize("grid", [(1, 1, 1), (7, 1, 1), (3, 2, 1), (2, 3, 2), (5,), (2, 2)])
def test_grids(grid: tuple[int, ...], together: int) -> None:
    """Every CTA runs once, wherever it is in the grid; arguments that are not given are 0."""
    ctas = int(np.prod(grid))
    out = np.zeros(4 * ctas, np.uint32)
    report = launch(out, grid, 10, ctas_at_once=together)
    assert (out.reshape(-1, 4) == [10, 11, 12, 13]).all()
    assert report["counts"]["st.global.u32"] == 4 * ctas and report["counts"]["mov.u32"] == (32 + 4 * 5) * ctas


def test_orders() -> None:
    """CTAs run in the order that is given, each once; a CTA sees what earlier ones have done, and no later one."""
    text = """.visible .entry k(.param .u64 k_0) { .reg .b32 %r<4>; .reg .b64 %rd<4>; .reg .pred %p<2>;
    mov.u32 %r1, %tid.x; setp.ne.u32 %p1, %r1, 0; @%p1 ret; ld.param.u64 %rd1, [k_0];
    mov.u32 %r2, %ctaid.x; atom.global.add.u32 %r3, [%rd1], 1; mad.wide.u32 %rd2, %r2, 4, %rd1;
    st.global.u32 [%rd2+4], %r3; ret; }"""
    for order in (None, range(5), [4, 3, 2, 1, 0], np.array([2, 0, 4, 1, 3])):
        for together in (1, 2, 7):
            out = np.zeros(6, np.uint32)
            given = [(out.ctypes.data, out.nbytes)]
            run(text, (5,), [("Q", out.ctypes.data)], 1, 0, given, ctas_at_once=together, order=order)
            assert out[0] == 5 and [out[1 + cta] for cta in (range(5) if order is None else order)] == [*range(5)]
    for wrong in ([0, 1, 2], [0, 1, 2, 3, 3], [1, 2, 3, 4, 5]):
        with pytest.raises(ValueError, match="order: expected the numbers of 5 CTAs, each once"):
            run(text, (5,), [("Q", 0)], 1, 0, order=wrong)


def test_special_registers(by_hand: Callable) -> None:
    """Of the third of three warps, in a grid of one CTA."""
    lane = np.arange(32)
    for name, want in {
        "%tid.x": lane + 64,
        "%tid.y": 0,
        "%ntid.x": 96,
        "%ntid.z": 1,
        "%ctaid.y": 0,
        "%nctaid.z": 1,
        "%laneid": lane,
        "%warpid": 2,
        "%nwarpid": 3,
        "%smid": 0,
        "%nsmid": 1,
        "%cluster_ctarank": 0,
        "%cluster_nctarank": 1,
        "%cluster_ctaid.x": 0,
        "%cluster_nctaid.y": 1,
        "WARP_SZ": 32,
        "%lanemask_eq": 1 << lane,
        "%lanemask_lt": (1 << lane) - 1,
        "%lanemask_le": (2 << lane) - 1,
        "%lanemask_ge": (1 << 32) - (1 << lane),
        "%lanemask_gt": (1 << 32) - (2 << lane),
    }.items():
        out = np.zeros(96, np.uint32)
        by_hand(f"mov.u32 %r1, {name}; st.global.b32 [%out], %r1;", out, threads=96)
        assert (out[64:] == want).all(), name


@pytest.mark.parametrize("grid", [(0, 1, 1), (5, 0, 2), (0,)])
def test_no_ctas_are_no_work(grid: tuple[int, ...]) -> None:
    out = np.zeros(4, np.uint32)
    assert launch(out, grid, 10) == EMPTY and not out.any()
    with pytest.raises(ValueError, match="4 arguments for the 3 parameters"):  # checked all the same
        run(SCALE, grid, [("i", 1)] * 4, 1, 0)


@pytest.mark.parametrize(
    ("grid", "args", "warps", "more", "message"),
    [
        ((1, 1, 1), [("Q", 1)] * 4, 1, {}, "4 arguments for the 3 parameters of scale"),
        ((1, 1, 1), [("i", 1)], 1, {}, "argument scale_0: 'i' has 4 bytes and the parameter 8"),
        ((1, 1, 1), [("Q", 1), ("i", 1 << 31)], 1, {}, "argument scale_1: 2147483648 is no 'i'"),
        ((1, 1, 1), [("Q", "pointer")], 1, {}, "argument scale_0: 'pointer' is no 'Q'"),
        ((1, 1, 1, 1), [], 1, {}, "a grid has 1 to 3 numbers of CTAs"),
        ((), [], 1, {}, "a grid has 1 to 3 numbers of CTAs"),
        ((1, -1, 1), [], 1, {}, "a grid has 1 to 3 numbers of CTAs"),
        ((1, 1, 1), [], 0, {}, "cannot launch 0 warps"),
        ((1, 1, 1), [], 1, {"ctas_at_once": 0}, "0 CTAs at once"),
    ],
)
def test_wrong_launches(grid: tuple[int, ...], args: list, warps: int, more: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        run(SCALE, grid, args, warps, 0, **more)
    assert message in str(caught.value)


def test_number_of_threads_that_the_kernel_demands() -> None:
    text = ".visible .entry k() .reqntid 64 { ret; }"
    assert run(text, (2, 1, 1), [], 2, 0)["counts"] == {"ret": 128}
    with pytest.raises(ValueError, match="k wants 64 threads a CTA, not 32"):
        run(text, (1, 1, 1), [], 1, 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tcgen05.mma.cta_group::1 %r1;", ""),
        ("add.rn.relu.f32 %r1, %r1, %r1;", ""),
        ("madness.u32 %r1, %r1;", ""),
        ("add.u32 %r1, %unknown, 1;", "unknown operand %unknown"),
        ("add.u32 %unknown, %r1, 1;", "no register %unknown"),
        ("@%unknown add.u32 %r1, %r1, 1;", "unknown operand %unknown"),
        ("add.u64 %rd1, %r1, 1;", "%r1 is narrower than .u64"),
        ("add.u32 %r1;", ""),
        ("ld.global.b32 %r1, [%rd1+%rd2+4];", ""),
        ("fma.rz.f64 %rd1, %rd1, %rd1, %rd1;", ""),
        ("atom.global.add.f16x2 %r1, [%out], %r1;", ""),
        ("bar.arrive 0, 32;", ""),
        ("bar.warp.arrive 0;", ""),
        ("add.rn.f64 %rd1, %rd1, 0f3F800000;", ""),
        ("mov.b32 %r1, 1.5;", "unknown operand 1.5"),
        ("mov.b64 %r1, %rd1;", "%r1 is narrower than .b64"),
        ("add.sat.u32 %r1, %r1, %r1;", ""),
        ("min.f32 %r1, %r1, %r1, %r1;", ""),
        ("sin.approx.f64 %rd1, %rd1;", ""),
        ("rsqrt.rn.f32 %r1, %r1;", ""),
        ("setp.lt.f16x2 %p1|%p2, %r1, %r1;", ""),
        ("setp.ltu.s32 %p1, %r1, %r1;", ""),
        ("set.eq.f64.u32 %rd1, %r1, %r1;", ""),
        ("shfl.idx.b32 %r1, %r1, 0, 31;", ""),
        ("redux.sync.min.f32 %r1, %r1, -1;", ""),
        ("ldmatrix.sync.aligned.m16n16.x1.shared.b16 {%r1}, [%r1];", ""),
        ("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1}, {%r1}, {%r1}, {%r1};", ""),
        ("cvt.rn.tf32.f32 %r1, %r1;", ""),
        ("cvt.f16x2.f32 %r1, %r1, %r1;", ""),
        ("cvt.rni.f32.f64 %r1, %rd1;", ""),
        ("cvt.rn.s32.f32 %r1, %r1;", ""),
        ("cvt.rz.f64.s64 %rd1, %rd1;", ""),
        ("cp.reduce.async.bulk.global.shared.add.u32 [%out], [global_smem], 16;", ""),
        ("cvt.rna.f32.f64 %r1, %rd1;", ""),
        ("cvt.f32.s32 %r1, %r1;", ""),
        ("cp.async.bulk.shared.global [global_smem], [%out], 16;", ""),
    ],
)
def test_unsupported_instructions_are_named(by_hand: Callable, text: str, reason: str) -> None:
    """When a thread reaches them, and only then."""
    out = np.zeros(32, np.uint32)
    by_hand(f"setp.gt.u32 %p1, %r0, 99; @!%p1 bra $END; {text} $END: st.global.u32 [%out], 1;", out)
    assert (out == 1).all()
    with pytest.raises(NotImplementedError) as caught:
        by_hand(text, out)
    assert f"unsupported PTX instruction: {text[:-1]}" in str(caught.value) and reason in str(caught.value)


def test_never_reached_under_a_guard(by_hand: Callable) -> None:
    by_hand("setp.gt.u32 %p1, %r0, 99; @%p1 wgmma.fence.sync.aligned;", np.zeros(32, np.uint32))


def test_errors_say_where() -> None:
    """The kernel and the CTAs, and what the CTAs before them stored stays."""
    out = np.zeros(9, np.uint32)
    for together, where in ((1, "CTA 2 of 5"), (2, "CTAs 2 to 3 of 5")):
        out[:] = 0
        with pytest.raises(BadAccess) as caught:
            launch(out, (5, 1, 1), 1, ctas_at_once=together)
        assert caught.value.__notes__ == [f"in scale, {where}"]
        assert out.tolist()[:8] == [1, 2, 3, 4] * 2
    with pytest.raises(RuntimeError, match="trap"):
        run(".visible .entry k() { trap; }", (1, 1, 1), [], 1, 0)


def test_launches_in_several_threads() -> None:
    """Each with its own registers and shared memory; two kernels, and the parsed module, shared."""
    outs = [np.zeros(4 * 6, np.uint32) for _ in range(12)]
    start = threading.Barrier(4)

    def work(i: int) -> dict:
        if i < 4:
            start.wait(30)
        for _ in range(5):
            report = launch(outs[i], (6, 1, 1), i, ctas_at_once=1 + i % 3)
        return report

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(work, range(12)))
    for i, out in enumerate(outs):
        assert (out.reshape(-1, 4) == np.arange(4) + i).all()
    assert all(report == reports[0] for report in reports)


def test_an_error_in_one_thread_leaves_the_others_alone() -> None:
    out = np.zeros(4, np.uint32)
    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(run, ".visible .entry k() { trap; }", (1, 1, 1), [], 1, 0)
        good = pool.submit(launch, out, (1, 1, 1), 3)
        assert isinstance(bad.exception(60), RuntimeError) and good.result(60)["counts"]["st.global.u32"] == 4
    assert out.tolist() == [3, 4, 5, 6]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_an_endless_kernel_can_be_interrupted() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    errors, before = np.geterr(), signal.signal(signal.SIGALRM, interrupt)
    try:
        for after in (0.01, 0.05, 0.051, 0.1):
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, after)
                run(LOOP, (1, 1, 1), [], 1, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert np.geterr() == errors
    test_grids((3, 2, 1), 4)


def test_subnormals_stay_where_the_calling_thread_flushes_them(by_hand: Callable) -> None:
    torch = pytest.importorskip("torch", reason="torch can make the processor flush subnormal numbers")
    small = np.arange(1, 33, dtype=np.uint32)
    out = small.copy()
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        by_hand("ld.global.f32 %r1, [%out]; mul.rn.f32 %r1, %r1, 0f40000000; st.global.f32 [%out], %r1;", out)
        flushed = small.view(np.float32) * np.float32(2)
    finally:
        torch.set_flush_denormal(False)
    assert (out == 2 * small).all() and (flushed.view(np.uint32) == 0).all()
