"""The last program instance to be done: whichever it is, the bits are the same, and its counters are zeros again."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest
from triton_cases import Recorder, reduce_case, row_case
from triton_rows import Builder, launch, logsumexp, softmax

import accel
from accel.array import empty
from accel.backends.base import Slot
from accel.backends.triton_kernel import COUNTERS, Pointer, Specialization, prepare
from accel.conversion import to_numpy
from accel.ops.primitive.row import Rows, evaluate
from accel.registry import OPS
from accel.testing.compare import check, differing, fetch, place

RNG = np.random.default_rng(29)
BLOCK = 4096


def numbers(*shape):
    return (1 + RNG.standard_normal(shape) / 8).astype(np.float32)


def totals():
    """The sum and the least of a row: folds of one level."""
    b = Builder(("float32", True))
    return b.finish(b.fold("sum", 0), b.fold("min", 0))


ORDERS = {
    "ascending": lambda count: np.arange(count),
    "descending": lambda count: np.arange(count)[::-1],
    "drawn": lambda count: np.random.default_rng(count).permutation(count),
    "drawn anew": lambda count: np.random.default_rng(count + 1).permutation(count),
}


@pytest.fixture
def emulated(monkeypatch):
    """An emulated GPU whose instances run one after the other."""
    device = accel.device("triton:emulated-sm_90")
    monkeypatch.setattr(device, "LANES", 1)
    return device


@pytest.mark.parametrize("order", ORDERS)
def test_orders(emulated, monkeypatch, order):
    """One row that blocks are shared out of, tiles of rows, first places among equals; instances in any order."""
    monkeypatch.setattr(emulated, "order", ORDERS[order])
    for shape, axis in (((9 * BLOCK + 5,), 0), ((2 * BLOCK + 3, 40), 0)):
        check(OPS["sum"], emulated, (numbers(*shape),), {"axis": axis})
    x = numbers(5 * BLOCK).round(1)
    for each in (x, np.where(x < 1, np.float32(np.nan), x)):
        check(OPS["argmin"], emulated, (each,), {"axis": 0})
    operands = [numbers(2, 2 * BLOCK + 9)]
    for program in (logsumexp(), totals()):
        found = launch(program, [place(x, emulated) for x in operands], 1, emulated)
        want = evaluate(Rows(program, 1), *operands)
        for got, each in zip(found, want if len(found) > 1 else [want], strict=True):
            assert not differing(fetch(got), each).any()
    assert not any(emulated.counts["unordered"].values())


KERNELS = """
    import triton
    import triton.language as tl

    from accel.kernels.triton.device.arrive import last, put, taken


    @triton.jit
    def by_arrival(out, x, partial, counters, blocks, INDEX: tl.constexpr):
        pid = tl.program_id(0)
        put(partial + pid, tl.load(x + pid), pid < blocks)
        if last(counters, blocks):
            total = tl.full((), -0.0, tl.float32)
            for i in range(blocks):
                total += taken(partial + i, i < blocks)
            tl.store(out, total)


    @triton.jit
    def by_number(out, x, partial, counters, blocks, INDEX: tl.constexpr):
        pid = tl.program_id(0)
        put(partial + pid, tl.load(x + pid), pid < blocks)
        if pid == blocks - 1:
            total = tl.full((), -0.0, tl.float32)
            for i in range(blocks):
                total += taken(partial + i, i < blocks)
            tl.store(out, total)


    @triton.jit
    def as_they_come(out, x, partial, counters, blocks, INDEX: tl.constexpr):
        tl.atomic_add(out, tl.load(x + tl.program_id(0)))


    @triton.jit
    def no_reset(out, x, partial, counters, blocks, INDEX: tl.constexpr):
        tl.atomic_add(counters, 1, sem="acq_rel", scope="gpu")
"""


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """added(kernel, device, x): the sum that a kernel of the above finds on a device, of instances of one element."""
    path = tmp_path_factory.mktemp("kernels") / "arrival.py"
    path.write_text(textwrap.dedent(KERNELS), encoding="utf-8")

    def run(name, device, x):
        pointers = dict.fromkeys(("out", "x", "partial"), Pointer("float32")) | {"counters": Pointer("int64")}
        arguments = pointers | {"blocks": len(x), "INDEX": None}
        what = Specialization(device.kernel(str(path), name), arguments, num_warps=1, counters=1)
        slots = (Slot("output"), Slot("input"), Slot("scratch"))
        out, scratch = place(np.full(1, -0.0, np.float32), device), empty((len(x),), accel.float32, device)
        prepare(device, what, len(x), slots, (4, 4, 4)).on([place(x, device)], [out], [scratch])
        return to_numpy(out)[0]

    return run


def test_an_order_that_matters_is_seen(emulated, monkeypatch, added):
    """Control: the instance of the highest number, which ascending instances never show, and additions as they
    come."""
    x = numbers(33) * np.float32(1e4) ** RNG.integers(-1, 2, 33).astype(np.float32)
    want = np.add.accumulate(x)[-1]
    found = {}
    for order, made in ORDERS.items():
        monkeypatch.setattr(emulated, "order", made)
        found[order] = [added(name, emulated, x) for name in ("by_arrival", "by_number", "as_they_come")]
    assert found["ascending"] == [want] * 3
    assert all(each[0] == want for each in found.values())
    for at in (1, 2):
        assert any(each[at] != want for each in found.values())
    emulated.counts["unordered"].clear()


@pytest.mark.parametrize("name", ["triton:interpreter", "triton:emulated-sm_80"])
def test_counters_that_are_left_are_an_error(added, name):
    device, x = accel.device(name), numbers(5)
    assert added("by_arrival", device, x) == np.add.accumulate(x)[-1]
    with pytest.raises(RuntimeError, match=r"no_reset: counters are left at \[5\]"):
        added("no_reset", device, x)


def prepared(case, architecture="sm_90"):
    device = Recorder(architecture)
    case(device)
    return device.prepared


@pytest.mark.parametrize(
    ("case", "launches"),
    [
        (reduce_case("sum", "float32", "float32", (1 << 24,), 0), 1),
        (reduce_case("argmax", "float32", "int64", (1 << 20,), 0), 1),
        (reduce_case("sum", "float32", "float32", (4, 128256), 1), 1),
        (reduce_case("sum", "float32", "float32", (1000, 3000), 1), 1),
        (reduce_case("max", "int8", "int8", ((1 << 24) + 1,), 0), 2),
        (reduce_case("sum", "float32", "float32", (8192, 40 * COUNTERS), 0), 2),
        (row_case(logsumexp(), 4, 128256), 2),
        (row_case(totals(), 4, 128256), 1),
        (row_case(softmax(), 4, 128256), 3),
        (row_case(softmax(), 1000, 128256), 1),
    ],
)
def test_launches(case, launches):
    """As docs/compositions.md lists them."""
    assert len(prepared(case)) == launches


@pytest.mark.parametrize("kind", ["sum", "argmin"])
def test_a_counter_for_each_group(kind):
    """As many as the kernel reaches, and not more than there are."""
    target = "int64" if kind == "argmin" else "float32"
    for shape, axis in (((1 << 20,), 0), ((5, 9 * BLOCK), 1), ((3 * BLOCK, 700), 0), ((2, 3 * BLOCK, 50), 1)):
        (what,) = prepared(reduce_case(kind, "float32", target, shape, axis))
        its = what.arguments
        rows = int(np.prod(its["outer"])) * (its["rows"] if its["BY_BLOCK"] else its["tiles"])
        assert what.counters == rows <= COUNTERS
    (what, *more) = prepared(reduce_case("sum", "float32", "float32", (4096, 100), 0))
    assert not more and what.counters == 0
