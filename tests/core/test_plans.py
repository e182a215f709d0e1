"""Plans: outputs in tuples, scratch in one allocation, launches in order, several threads at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import accel
from accel import _core, dispatch, interop, recording, registry
from accel.array import Array
from accel.backends.base import Call, Launch, Prepared, Slot
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import BOOL, FLOAT32
from accel.layout import layout
from accel.memory import HostDevice
from accel.ops.parameters import Rows
from accel.ops.primitive.pointwise import apply
from accel.plan import ALIGNMENT, Operand, bind, plan, single
from accel.scalar import Fold, Input, ProgramBuilder, RowProgram, Step

CPU = accel.device("cpu")
INPUT, OTHER, OUTPUT = Operand("input", 0), Operand("input", 1), Operand("output", 0)


class Counting(HostDevice):
    """The host's memory; sizes: of every buffer that was asked for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sizes: list[int] = []

    def allocate(self, nbytes):
        self.sizes.append(nbytes)
        return super().allocate(nbytes)


def vector(n, device=CPU, dtype=FLOAT32):
    return layout(dtype, (n,), None, device)


def elements(x: Array) -> np.ndarray:
    """As a launch sees them: memory under the array's own layout."""
    size = x.dtype.itemsize
    return np.ndarray(x.shape, x.dtype.numpy, x.buffer, x.offset * size, [s * size for s in x.layout.strides])


def launch(function, *kinds):
    """A launch of a function of NumPy views, which writes to the first."""
    return Launch(lambda arrays: function(*map(elements, arrays)), tuple(Slot(kind) for kind in kinds))


ADD = launch(lambda out, a, b: np.add(a, b, out=out), "output", "input", "input")
TWICE = launch(lambda out, a: np.multiply(a, 2, out=out), "output", "input")


def on(values, device=CPU):
    return from_numpy(np.array(values, np.float32), device, copy=True)


def test_launches_run_in_order_over_one_allocation_of_scratch():
    device = Counting("cpu", "counting", "cpu", "for tests")
    first = Operand("scratch", 1, 0, vector(3, device))
    second = Operand("scratch", 2, 1, vector(3, device))  # of four elements, from the second on
    made = plan(
        device,
        [vector(3, device)],
        (5, 12, 16),
        [(TWICE, (first, INPUT)), (TWICE, (second, first)), (ADD, (OUTPUT, second, INPUT))],
    )
    result = made((on([1, 2, 3], device),), None)
    assert elements(result).tolist() == [5, 10, 15]
    assert device.sizes[-2:] == [12, 3 * ALIGNMENT]
    assert [launch for launch, _ in made.description.launches] == [TWICE, TWICE, ADD]


def test_pieces_of_scratch_are_aligned_and_apart():
    seen = []
    prepared = Prepared(
        (Launch(seen.append, (Slot("scratch", 2), Slot("scratch", 0), Slot("output"), Slot("scratch", 1))),),
        (1, 257, 8),
    )
    single(CPU, [vector(1)], prepared, 0, None)((), None)
    ((third, first, _, second),) = seen
    assert [x.dtype.name for x in (first, second, third)] == ["uint8"] * 3
    assert (first.shape, second.shape, third.shape) == ((1,), (257,), (8,))
    assert (first.offset, second.offset, third.offset) == (0, 256, 768)
    assert first.buffer is second.buffer is third.buffer


def test_operands_are_views():
    rows = layout(FLOAT32, (2, 2), (2, 1), CPU)
    columns = layout(FLOAT32, (2, 2), (1, 2), CPU)
    backwards = layout(FLOAT32, (2, 2), (0, -1), CPU)
    constant = Operand("constant", on([10, 20, 30]), 2, backwards)
    made = plan(CPU, [rows], (), [(ADD, (OUTPUT, Operand("input", 0, 0, columns), constant))])
    assert elements(made([on([1, 2, 3, 4])], None)).tolist() == [[31, 23], [32, 24]]
    halves = [Operand("output", 0, at, vector(2)) for at in (0, 2)]
    made = plan(CPU, [vector(4)], (), [(TWICE, (halves[0], INPUT)), (TWICE, (halves[1], halves[0]))])
    assert elements(made([on([1, 2])], None)).tolist() == [2, 4, 4, 8]


def test_one_element_of_an_array_is_two_of_a_view():
    """Of the array's own offset, and of its output's."""
    wide, parts = layout(accel.complex64, (2,), (1,), CPU), layout(FLOAT32, (2,), (2,), CPU)
    x = accel.asarray(np.array([9, 1 + 2j, 3 + 4j], np.complex64), device="cpu")[1:]
    seen = [Operand("input", 0, part, parts, 2) for part in (0, 1)]
    made = [Operand("output", 0, part, parts, 2) for part in (0, 1)]
    steps = [(ADD, (made[0], seen[0], seen[1])), (TWICE, (made[1], seen[1]))]
    assert np.asarray(plan(CPU, [wide], (), steps)((x,), None)).tolist() == [3 + 4j, 7 + 8j]
    one = [Operand("input", 0, part, parts) for part in (0, 1)]  # the control
    steps = [(ADD, (made[0], *one)), (TWICE, (made[1], one[1]))]
    assert np.asarray(plan(CPU, [wide], (), steps)((x,), None)).tolist() != [3 + 4j, 7 + 8j]


def test_several_outputs_fresh_and_given():
    made = plan(CPU, [vector(2)] * 2, (), [(TWICE, (OUTPUT, INPUT)), (ADD, (Operand("output", 1), INPUT, OTHER))])
    operands = on([1, 2]), on([10, 20])
    twice, total = made(operands, None)
    assert (elements(twice).tolist(), elements(total).tolist()) == ([2, 4], [11, 22])
    out = on([0, 0]), on([0, 0])
    assert made(operands, out) is out
    assert (elements(out[0]).tolist(), elements(out[1]).tolist()) == ([2, 4], [11, 22])
    for wrong in (out[0], out[:1], (*out, out[0]), list(out), (out[0], None), 3):
        with pytest.raises(TypeError, match="out: expected 2 arrays"):
            made(operands, wrong)
    with pytest.raises(TypeError, match="there are 1 inputs, input 1 is wanted"):
        made(operands[:1], None)


def test_wrong_plans_and_calls_raise():
    def of(*operands, scratch=()):
        return lambda: plan(CPU, [vector(2)], scratch, [(TWICE, operands)])

    def core(outputs=(), steps=()):
        return lambda: _core.Plan(print, outputs, 0, steps, None, ())

    big = vector(3)
    for make in (
        of(OUTPUT),
        of(OUTPUT, Operand("nothing", 0)),
        of(OUTPUT, Operand("scratch", 0)),
        of(Operand("output", 1), INPUT),
        of(OUTPUT, Operand("input", -1)),
        of(OUTPUT, Operand("constant", 1)),
        of(OUTPUT, Operand("scratch", 0, 0, big), scratch=(8,)),
        of(OUTPUT, Operand("scratch", 0, -1, big), scratch=(80,)),
        lambda: Slot("local"),
        lambda: Slot("input", -1),
        lambda: Prepared((Launch(print, (Slot("scratch"),)),)),
        lambda: _core.Plan(),
        lambda: _core.Plan(1, 2, 3, 4, 5, 6),
        core(outputs=((1,),)),
        core(outputs=(3,)),
        core(steps=((),)),
        core(steps=("ab",)),
        core(steps=((print, (1,)),)),
        core(steps=((print, (("output", 0, 0, None, 1),)),)),
        core(steps=((print, (("scratch", 0, 0, CPU, 1),)),)),
        core(steps=((print, (("input", 0, 0, None, 2),)),)),
    ):
        with pytest.raises(TypeError):
            make()
    with pytest.raises(ValueError, match="scratch"):
        _core.Plan(print, (), -1, (), None, ())
    made = of(OUTPUT, Operand("input", 0, 0, vector(2)))()
    for given in ((), ((),), (1, None), ((), None), ((1,), None), (None, None, None)):
        with pytest.raises(TypeError):
            made(*given)
    hollow = on([1, 2])
    del hollow.buffer
    with pytest.raises(TypeError, match=r"expected an accel\.Array"):
        made((hollow,), None)


def test_an_error_in_a_launch_or_an_allocation_is_raised():
    def fail(arrays):
        raise RuntimeError("lost")

    made = plan(CPU, [vector(2)], (4,), [(Launch(fail, ()), ()), (TWICE, (OUTPUT, INPUT))])
    with pytest.raises(RuntimeError, match="lost"):
        made((on([1, 2]),), None)
    with pytest.raises(accel.OutOfMemoryError):
        plan(CPU, [vector(2)], (1 << 60,), [])((), None)


def test_eight_threads_run_one_plan_at_once():
    """Each launch waits until all threads are inside, so that their scratch would be mixed up if it were shared."""
    together = threading.Barrier(8, timeout=60)

    def slowly(out, a):
        together.wait()
        np.multiply(a, 2, out=out)
        together.wait()

    wait = launch(slowly, "output", "input")
    scratch = Operand("scratch", 0, 0, vector(100))
    made = plan(CPU, [vector(100)], (400,), [(wait, (scratch, INPUT)), (wait, (OUTPUT, scratch))])
    found = {}

    def run(i):
        found[i] = to_numpy(made((on(np.full(100, i)),), None))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[i] == 4 * i).all() for i in range(8))


def test_a_kernel_inside_a_larger_plan():
    """Two calls' launches, the scratch of each beside the intermediate's."""
    fill = Launch(lambda arrays: elements(arrays[0]).fill(7), (Slot("scratch", 0),))
    twice = Prepared((fill, TWICE), (100,))
    between = Operand("scratch", 1, 0, vector(2))
    steps = [*bind(twice, [INPUT], [between]), *bind(twice, [between], [OUTPUT], first=2)]
    made = plan(CPU, [vector(2)], (100, 8, 100), steps)
    assert elements(made((on([1, 2]),), None)).tolist() == [4, 8]
    assert len(made.description.launches) == 4


# outputs in tuples, through the public doors


def sine_and_more():
    """(x + y, x > y), of two float32."""
    build = ProgramBuilder("float32", "float32")
    total, greater = build.apply("add", 0, 1), build.apply("greater", 0, 1)
    done = build.finish(greater)
    return type(done)(done.inputs, done.steps, "float32", (total, greater))


PROGRAM = sine_and_more()
X, Y = np.array([[1, 5, 3], [2, 2, 2]], np.float32), np.array([4, 2, 3], np.float32)
WANT = X + Y, X > Y


@pytest.fixture(params=["on", "off"])
def fusion(request):
    with accel.config(fusion=request.param):
        dispatch.forget()
        yield
    dispatch.forget()


def test_results_come_back_as_what_the_operands_were(fusion):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    for operands, kind in (((X, Y), np.ndarray), (tuple(map(torch.from_numpy, (X, Y))), torch.Tensor)):
        results = apply(PROGRAM, *operands)
        assert type(results) is tuple and [type(x) for x in results] == [kind] * 2
        assert all((np.asarray(x) == want).all() for x, want in zip(results, WANT, strict=True))
    results = dispatch.call(registry.OPS["pointwise"], tuple(on(x) for x in (X, Y)), PROGRAM)
    assert [type(x) for x in results] == [Array] * 2
    for _ in range(2):  # without and with a plan, by the door of the core
        results = interop.enter(registry.OPS["pointwise"], (X, Y), PROGRAM)
        assert [type(x) for x in results] == [np.ndarray] * 2
        assert all((x == want).all() for x, want in zip(results, WANT, strict=True))


def test_out_takes_a_tuple(fusion):
    x, y = on(X), on(Y)
    out = accel.empty((2, 3), device=CPU), accel.empty((3, 2), dtype=BOOL, device=CPU).mT
    for _ in range(2):
        assert apply(PROGRAM, x, y, out=out) is out
        assert all((np.asarray(a) == want).all() for a, want in zip(out, WANT, strict=True))
        out[0][...] = 0
    for wrong in (out[0], out[:1], out[::-1], (*out, out[0]), ()):
        with pytest.raises(accel.UnsupportedError, match="out has"):
            apply(PROGRAM, x, y, out=wrong)
    for wrong in (list(out), (out[0], X), 3):
        with pytest.raises(accel.ArgumentError, match="out: expected"):
            apply(PROGRAM, x, y, out=wrong)


def test_outputs_that_overlap_operands_or_each_other(fusion):
    build = ProgramBuilder("float32", "float32")
    total, difference = build.apply("add", 0, 1), build.apply("subtract", 0, 1)
    done = build.finish(difference)
    program = type(done)(done.inputs, done.steps, "float32", (total, difference))
    x, y = np.arange(4, dtype=np.float32), np.array([10, 20, 40, 80], np.float32)
    a, b = on(x), on(y)
    apply(program, a, b, out=(a, b))
    assert np.asarray(a).tolist() == (x + y).tolist() and np.asarray(b).tolist() == (x - y).tolist()
    memory, b = on(np.arange(6)), on(y)
    values = np.asarray(memory).copy()
    apply(program, memory[1:5], b, out=(memory[:4], memory[2:]))
    assert np.asarray(memory).tolist() == [*(values[1:3] + y[:2]), *(values[1:5] - y)], "stored one after the other"


def test_a_row_never_writes_onto_its_operand():
    """Even where the output is exactly the input: a row is read again after its first element is written."""
    program = RowProgram(
        (Input("float32", True),), (Fold("sum", 0), Step("subtract", "float32", (0, 1)), Fold("sum", 2),
        Step("add", "float32", (2, 3))), (4,))  # fmt: skip
    x = on(np.arange(12.0).reshape(3, 4))
    want = registry.OPS["row"].canonical(Rows(program, 1), np.asarray(x).copy())
    dispatch.call(registry.OPS["row"], (x,), Rows(program, 1), x)
    assert (np.asarray(x) == want).all()


def test_a_tuple_is_computed_elsewhere(monkeypatch):
    """By ACCEL_OVERRIDE, and by fallback."""
    device = next((d for d in accel.devices() if d.backend == "opencl"), None)
    if device is None:
        pytest.skip("needs an OpenCL device, such as the CPU with pip's intel-opencl-rt")
    x, y = on(X, device), on(Y, device)
    with accel.config(override="pointwise=cpu"):
        results = apply(PROGRAM, x, y)
        out = accel.empty((2, 3), device=device), accel.empty((2, 3), dtype=BOOL, device=device)
        assert apply(PROGRAM, x, y, out=out) is out
    for found in (results, out):
        assert [x.device for x in found] == [device] * 2
        assert all((np.asarray(a) == want).all() for a, want in zip(found, WANT, strict=True))


def test_explain_and_empties_have_every_output():
    with recording.recording(run=False):
        results = apply(PROGRAM, on(X), on(Y))
    assert [(x.shape, x.dtype) for x in results] == [((2, 3), FLOAT32), ((2, 3), BOOL)]
    results = apply(PROGRAM, on(np.empty((0, 3))), on(Y))
    assert [(x.shape, x.dtype) for x in results] == [((0, 3), FLOAT32), ((0, 3), BOOL)]
    assert apply(PROGRAM, on(np.empty((0, 3))), on(Y), out=results) is results


def test_addresses_and_arrays_give_the_same():
    """The CPU's launch gets addresses where operands are plain, else arrays, by which it says what is wrong."""
    x, y = on([1.0, 2.0, 3.0, 4.0]), on([10.0, 20.0, 30.0, 40.0])
    build = ProgramBuilder("float32", "float32")
    program = build.finish(build.apply("subtract", 0, 1), "float32")
    assert to_numpy(apply(program, x, y)).tolist() == [-9, -18, -27, -36]
    kernel = next(k for k in registry.kernels("cpu") if k.op == "pointwise")
    half = vector(2)
    its = Call("pointwise", (half, half), (half,), program, CPU, accel.config.current())
    (step,) = kernel.prepare(its).launches
    parts = [Operand("input", 0, 2, half), Operand("constant", y), OUTPUT]
    piece = [Operand("input", 0, 0, half), Operand("input", 1, 1, half), Operand("scratch", 0, 2, half)]
    last = [Operand("scratch", 0, 2, half), Operand("constant", y), OUTPUT]
    made = plan(CPU, [half], (16,), [(step, piece), (step, last)])
    for inputs in ((x, y), [x, y]):
        assert to_numpy(made(inputs, None)).tolist() == [1 - 20 - 10, 2 - 30 - 20]
    made = plan(CPU, [half], (), [(step, parts)])
    assert to_numpy(made((x,), None)).tolist() == [-7, -16]
    out = on([0.0, 0.0])
    assert made((x,), out) is out and to_numpy(out).tolist() == [-7, -16]
    with pytest.raises(TypeError, match="there are 0 inputs"):
        made((), None)
    with pytest.raises(TypeError, match=r"expected an accel\.Array, got int"):
        made((1,), None)
    with pytest.raises(TypeError, match="in host memory"):
        made((Array(object(), 0, x.layout),), None)
    bytes_of = from_numpy(np.zeros(20, np.uint8), CPU, copy=True)
    askew = Array(_core.HostBuffer(bytes_of.buffer.address + 1, 16, bytes_of, True), 0, x.layout)
    with pytest.raises(ValueError, match="not aligned"):
        made((askew,), None)
