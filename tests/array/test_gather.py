"""take, take_along_axis and indexing by integer arrays, lists and masks, against NumPy; and positions out of range."""

from __future__ import annotations

import numpy as np
import pytest
from array_keys import INDEX_DTYPES, keys
from equality import same
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _core, registry
from accel.conversion import from_numpy, to_numpy
from accel.dtypes import TABLE
from accel.ops.primitive import gather
from accel.testing.compare import Disagreement, check, place
from accel.testing.strategies import arrays

CPU = accel.device("cpu")


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@st.composite
def indexed(draw):
    shape = tuple(draw(st.lists(st.sampled_from((0, 1, 2, 3, 4, 5)), max_size=4)))
    return draw(arrays(draw(st.sampled_from(tuple(TABLE.values()))), shape)), draw(keys(shape))


@given(indexed())
def test_keys_with_arrays_select_what_numpy_does(case):
    x, key = case
    ours = from_numpy(x, CPU)
    try:
        want = x[key]
    except IndexError:
        with pytest.raises((IndexError, accel.ShapeError)):
            ours[key]
        return
    assert same(to_numpy(ours[key]), want)


PLACES = (
    ([0, 1],), (slice(None), [0, 2]), ([0, 1], slice(None), [1, 2]), (0, slice(None), [1, 2]), (..., [1, 2], None),
    ([[0], [1]], None, [1, 2]), (None, [1], ..., [2]), (slice(None), [0], ..., [1]), (0, [1], slice(None)),
    (..., 0, [1]), (slice(None), 0, [1, 2, 3]), (slice(None), [[0, 1]], [[1], [2]]), ([], slice(1, 2)),
    (1, ..., [1, 1]), ([True, False], [1, 2][:1]), (slice(None), [True, False, True], slice(None, None, -2)),
    (np.arange(24).reshape(2, 3, 4) % 3 == 0,), (slice(None), np.arange(12).reshape(3, 4) > 5),
    ([0, 1], [[2]], None, [3, -4]),
)  # fmt: skip


@pytest.mark.parametrize("key", PLACES, ids=[str(i) for i in range(len(PLACES))])
def test_where_the_axes_of_arrays_are(key):
    x = np.arange(24.0).reshape(2, 3, 4)
    for its in (x, x.transpose(0, 1, 2)[:, ::-1]):
        assert same(to_numpy(from_numpy(its, CPU)[key]), its[key])


def test_an_array_of_ours_and_its_own_mask_are_keys():
    x = np.arange(-6, 6).reshape(3, 4)
    ours = accel.asarray(x)
    assert same(ours[ours > 1], x[x > 1])
    assert same(ours[accel.asarray([2, 0], dtype="uint8")], x[[2, 0]])
    assert same(ours[np.array([2, 0]), accel.asarray([[1], [3]])], x[np.array([2, 0]), np.array([[1], [3]])])


@given(st.data())
def test_take(data):
    shape = tuple(data.draw(st.lists(st.sampled_from((1, 2, 3, 7)), min_size=1, max_size=4)))
    x = data.draw(arrays(data.draw(st.sampled_from(tuple(TABLE.values()))), shape))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n, kind = x.shape[axis], np.dtype(data.draw(st.sampled_from(INDEX_DTYPES)))
    low, high = (0 if kind.kind == "u" else -min(n, 128)), min(n - 1, 127)
    its_shape = data.draw(st.sampled_from(((), (0,), (5,), (2, 3))))
    size = int(np.prod(its_shape))
    indices = np.array(data.draw(st.lists(st.integers(low, high), min_size=size, max_size=size)), kind).reshape(
        its_shape
    )
    assert same(accel.take(x, indices, axis=axis), np.take(x, indices.astype(np.int64), axis=axis))
    for one in (slice(None), slice(0, 1)):
        rows = tuple(slice(None) if a == axis % x.ndim else one for a in range(x.ndim))
        chosen = np.argsort(x.astype(np.float64), axis=axis)[rows]
        along = accel.take_along_axis(x, chosen, axis=axis)
        full = tuple(n if a == axis % x.ndim else x.shape[a] for a in range(x.ndim))
        assert same(along, np.take_along_axis(x, np.broadcast_to(chosen, full), axis))


FAR = {"high": [0, 3], "low": [-4, 0], "very high": [2**62, 0], "very low": [-(2**63), 0]}


@pytest.mark.parametrize("name", FAR)
def test_a_position_out_of_range_is_an_error(target, name):
    with target.in_force() as device:
        refuses(device, FAR[name])


def refuses(device, positions):
    x, bad = (place(np.asarray(v), device) for v in (np.arange(3.0), positions))
    for call in (lambda: accel.take(x, bad), lambda: accel.take_along_axis(x, bad), lambda: x[bad]):
        with pytest.raises(IndexError, match=r"(take|index).*out of range for an axis of length 3"):
            call()
    big = place(np.array([2**64 - 1], np.uint64), device)
    with pytest.raises(IndexError):
        accel.take(x, big)
    with pytest.raises(IndexError):
        x[:0][place(np.array([0]), device)]
    assert same(accel.take(x, place(np.array([-3, 2]), device)).to_device("cpu"), np.array([0.0, 2.0]))


@pytest.mark.parametrize("length", [3, 0])
def test_kernels_read_nothing_out_of_range(target, length):
    """Where nothing is checked, the kernels give 0 there."""
    bad = np.array([0, length, -1, -length - 1, 2**62, -(2**63), 2**40])
    with target.in_force() as device, accel.config(check="off"):
        for dtype in ("uint8", "float16", "float32", "int64"):
            x = np.arange(1, 2 * length + 1).reshape(2, length).astype(dtype)
            ours, index = place(x, device), place(bad, device)
            got = accel.fuse(lambda x, i: accel.take(x, i, axis=1))(ours, index).to_device("cpu")
            want = gather.select((0, -1), (2, len(bad)), x, bad[None])
            assert same(to_numpy(got), want)
            assert (want[:, 1:2] == 0).all() and (want[:, 3:] == 0).all()
            rows = accel.fuse(lambda x, i: x.mT[i])(ours, index).to_device("cpu")
            assert same(to_numpy(rows), want.T)


@pytest.mark.parametrize("columns", [3, 64, 700, 40000])
def test_whole_rows(columns):
    """Of every length beside what is copied at once and asked for beforehand, in parts of threads, and 0 where a fused
    function finds no row."""
    rng = np.random.default_rng(columns)
    table, at = rng.integers(1, 100, (30, columns)).astype(np.int32), rng.integers(-30, 30, (7, 200000 // columns))
    wrong = at.copy()
    wrong[::2, ::3], wrong[1::2, ::2] = 30, -31
    want = np.where(((wrong >= -30) & (wrong < 30))[..., None], table[wrong.clip(-30, 29)], 0)
    assert (want == 0).any() and (want != 0).any()
    for threads in (1, 2):
        with accel.config(num_threads=threads, check="off"):
            for x in (
                accel.asarray(table),
                accel.asarray(np.repeat(table, 2, 0))[::2],
                accel.asarray(table[::-1])[::-1],
            ):
                assert same(accel.take(x, accel.asarray(at), axis=0), table[at])
                assert same(accel.fuse(lambda x, i: accel.take(x, i, axis=0))(x, accel.asarray(wrong)), want)


@pytest.mark.parametrize("n", [1, 7, 8, 63, 64, 65, 511, 513, 1100, 40000])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "int64"])
def test_elements_at_any_place(n, dtype):
    """Of vectors, columns and rows of their own, by every step, where all positions are in range, some are below 0, or
    one is out of range, first or last: what is looked at and moved together goes over every end."""
    rng = np.random.default_rng(n)
    length = 37
    x = rng.integers(1, 100, (3, length)).astype(dtype)
    vector = np.ascontiguousarray(x[0])
    forward, both = rng.integers(0, length, n), rng.integers(-length, length, n)
    for at in (forward, both):
        for bad in (None, length, -length - 1, -(2**63), 2**63 - 1):
            for spot in (0, n - 1, n // 2)[: 1 if bad is None else 3]:
                index = at.copy()
                if bad is not None:
                    index[spot] = bad
                inside = (index >= -length) & (index < length)
                safe = np.where(inside, index, 0)
                zeros = np.zeros((), dtype)
                cases = [
                    (lambda x, i: accel.take(x, i), vector, index, np.where(inside, vector[safe], zeros)),
                    (lambda x, i: accel.take(x, i, axis=1), x, index, np.where(inside, x[:, safe], zeros)),
                    (lambda x, i: accel.take(x[:, ::-1], i[::-1], axis=1), x, index,
                     np.where(inside, x[:, ::-1][:, safe], zeros)[:, ::-1]),
                    (lambda x, i: accel.take_along_axis(x, i, axis=1), x, np.stack([index, at, index[::-1]]),
                     np.stack([np.where(inside, x[0][safe], zeros), x[1][at],
                               np.where(inside, x[2][safe], zeros)[::-1]])),
                    (lambda x, i: accel.take_along_axis(x.T, i.T, axis=0), x, np.stack([index, at, index[::-1]]),
                     np.stack([np.where(inside, x[0][safe], zeros), x[1][at],
                               np.where(inside, x[2][safe], zeros)[::-1]]).T),
                ]  # fmt: skip
                for call, values, positions, want in cases:
                    with accel.config(check="off"):
                        got = call(accel.asarray(values), accel.asarray(positions))
                    assert same(got, want)


@pytest.mark.parametrize("threads", [1, 2])
def test_columns_of_many_rows(threads):
    """In parts of threads that end within rows."""
    rng = np.random.default_rng(threads)
    for rows, columns, count in ((1000, 40, 700), (3, 5, 40001), (70001, 3, 5)):
        x, index = rng.integers(0, 100, (rows, columns)).astype(np.int16), rng.integers(-columns, columns, count)
        with accel.config(num_threads=threads):
            got = accel.take(accel.asarray(x), accel.asarray(index), axis=1)
        assert same(got, x[:, index])


def test_fused_as_apart():
    x, table = np.arange(12.0).reshape(3, 4), np.array([[2, -1], [0, 1]])

    def f(x, i):
        return accel.exp(accel.take(x * 2.0, i, axis=0)) + x[i, ::-1]

    with accel.config(device="cpu"):
        assert same(accel.fuse(f)(accel.asarray(x), accel.asarray(table)), f(accel.asarray(x), accel.asarray(table)))


def test_refused():
    x = accel.asarray(np.ones((2, 3)))
    with pytest.raises(accel.DtypeError, match="take: indices: expected an integer dtype, got float32"):
        accel.take(x, accel.asarray([0.5]), axis=0)
    with pytest.raises(accel.AxisError, match="take: axis"):
        accel.take(x, accel.asarray([0]))
    with pytest.raises(accel.ShapeError, match="take_along_axis: indices: expected 2 axes"):
        accel.take_along_axis(x, accel.asarray([0]))
    with pytest.raises(accel.ShapeError, match="take_along_axis"):
        accel.take_along_axis(x, accel.asarray(np.zeros((3, 1), int)))
    with pytest.raises(accel.ArgumentError, match="take: indices: expected an array, got the scalar 0"):
        accel.take(x, 0, axis=0)
    with pytest.raises(accel.ShapeError):
        x[[0, 1], [0, 1, 2]]
    with pytest.raises(IndexError, match="3 indices for shape"):
        x[[0], [0], [0]]
    with pytest.raises(IndexError, match="a mask of shape"):
        x[[True, False, True]]
    assert to_numpy(x).tolist() == np.ones((2, 3)).tolist()


def test_the_comparison_sees_another_element(monkeypatch):
    """The control: a kernel that is told to walk the axes in another order, or is given other positions."""
    spec, x, index = registry.OPS["take"], np.arange(9.0).reshape(3, 3), np.array([2, -1, 0])
    check(spec, CPU, (x, index), {"axis": 0})
    right = gather.gathered
    for wrong in (
        lambda op, x, indices, walks, names: right(op, x.mT, indices, walks, names),
        lambda op, x, indices, walks, names: right(op, x, [accel.abs(i) for i in indices], walks, names),
    ):
        monkeypatch.setattr(gather, "gathered", wrong)
        gather._taken.forget()
        with pytest.raises(Disagreement):
            check(spec, CPU, (x, index), {"axis": 0})


@pytest.mark.parametrize("n", [1, 7, 300, 40000])
def test_positions_in_range_are_told_from_others(n: int) -> None:
    """By every layout: one position out of range, wherever it is, is found, and so is one below 0."""
    rng = np.random.default_rng(n)
    for length in (1, 5, 1 << 40):
        good = rng.integers(0, length, (n, 3))
        views = (lambda x: x, lambda x: x.T, lambda x: x[::-1, ::2], lambda x: x[n // 2 :, 1])
        for view in views:
            for least in (0, -length):
                for bad in (None, least, length - 1, least - 1, length, -(2**63), 2**63 - 1, -1):
                    x = good.copy()
                    its = view(x)
                    if bad is not None:
                        its[tuple(int(rng.integers(m)) for m in its.shape)] = bad
                    inside = ((its >= least) & (its < length)).all()
                    expected = bool((its >= 0).all()) if inside else None
                    assert _core.within(view(accel.asarray(x)), least, length) is expected, (length, least, bad)
    repeated = accel.asarray(good[:1]).view((4, 3), (0, 1))
    assert _core.within(repeated, 0, 1 << 40) is True


CALLS = (
    ("vector", (7,), (4,), lambda x, i: accel.take(x, i)),
    ("rows", (7, 3), (4,), lambda x, i: accel.take(x, i, axis=0)),
    ("one row", (7, 3), (1,), lambda x, i: accel.take(x, i, axis=0)),
    ("columns", (3, 7), (4,), lambda x, i: accel.take(x, i, axis=1)),
    ("no element", (7, 0), (4,), lambda x, i: accel.take(x, i, axis=0)),
    ("along", (3, 7), (3, 4), lambda x, i: accel.take_along_axis(x, i, axis=1)),
    ("key", (7, 3), (4,), lambda x, i: x[i]),
    ("complex", (7,), (4,), lambda x, i: accel.take(accel.astype(x, "complex64"), i)),
)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("shape", "its", "call"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_a_call_that_was_made_before_still_sees_a_position_out_of_range(shape, its, call, threads):
    """The kernel tells the second call of what it saw, and the call after an error is not misled by it."""
    x, wide = accel.zeros(shape), 40_000 if its == (4,) else 4
    for columns in (its[-1], wide):
        good = np.zeros((*its[:-1], columns), np.int64)
        with accel.config(num_threads=threads):
            for bad in (None, 7, None, -8, -7, None, 2**63 - 1):
                index = good.copy()
                index.reshape(-1)[-1] = 0 if bad is None else bad
                if bad in (None, -7):
                    call(x, accel.asarray(index))
                else:
                    with pytest.raises(IndexError, match=str(bad)):
                        call(x, accel.asarray(index))


def test_a_number_below_0_is_no_row_of_an_embedding():
    table = accel.zeros((7, 3))
    for _ in range(3):
        accel.nn.embedding(accel.asarray(np.array([6, 0])), table)
        with pytest.raises(IndexError, match="-1"):
            accel.nn.embedding(accel.asarray(np.array([6, -1])), table)


def test_only_int64_on_the_host_is_looked_at() -> None:
    assert _core.within(accel.asarray(np.zeros(3, np.int32)), 0, 4) is None
    assert _core.within(np.zeros(3, np.int64), 0, 4) is None
    assert _core.within(accel.asarray(np.zeros(0, np.int64)), 0, 4) is None
    with pytest.raises(TypeError):
        _core.within(accel.asarray([1]), "0", 4)
    with pytest.raises(OverflowError):
        _core.within(accel.asarray([1]), 0, 1 << 63)
