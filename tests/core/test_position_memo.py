"""Calls that read or write where positions say, found by the layouts of their arrays: results, errors and what is
written are those of the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import _core, dispatch, nn, position_memo, registry
from accel.composition import RECORDER
from accel.conversion import to_numpy
from accel.ops.parameters import Gather
from accel.recording import recording

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

READS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], str]] = {
    "take": (lambda x, i: accel.take(x, i, axis=0), lambda x, i: x[i], "take: indices: "),
    "take last": (lambda x, i: accel.take(x, i, axis=-1), lambda x, i: x[:, i], "take: indices: "),
    "take_along_axis": (
        lambda x, i: accel.take_along_axis(x, i[:, None], axis=0),
        lambda x, i: np.take_along_axis(x, np.broadcast_to(i[:, None], (len(i), x.shape[1])), 0),
        "take_along_axis: indices: ",
    ),
    "index": (lambda x, i: x[i], lambda x, i: x[i], "index: array 0: "),
    "gather": (lambda x, i: accel.gather(x, 0, i[:, None]), lambda x, i: x[i, :1], "gather: index: "),
    "index_select": (lambda x, i: accel.index_select(x, 1, i), lambda x, i: x[:, i], "index_select: index: "),
    "embedding": (lambda x, i: nn.embedding(i, x), lambda x, i: x[i], "embedding: input: "),
    "padded embedding": (lambda x, i: nn.embedding(i, x, 0), lambda x, i: x[i], "embedding: input: "),
}
"""By name: a function of a square and a vector of positions, what NumPy has for it, and what its errors begin with."""

SIDE = 6
LAYOUTS = (lambda x: x, lambda x: x.T, lambda x: x[::-1], lambda x: x[:, ::-1])
OF_POSITIONS = (lambda i: i, lambda i: i[::-1], lambda i: np.repeat(i, 2)[::2])


def square(dtype: Any = np.float32, key: int = 0) -> np.ndarray:
    return np.random.default_rng(key).integers(1, 100, (SIDE, SIDE)).astype(dtype)


def least_of(name: str) -> int:
    return 0 if "embedding" in name else -SIDE


@pytest.mark.parametrize("name", READS)
@given(data=st.data())
def test_elements_are_those_of_numpy_each_time(name: str, data: st.DataObject) -> None:
    """Also of views, which have their own entries, and after a position that was none."""
    ours, numpys, words = READS[name]
    seen, its = data.draw(st.sampled_from(LAYOUTS)), data.draw(st.sampled_from(OF_POSITIONS))
    n, dtype = data.draw(st.integers(1, 5)), np.dtype(data.draw(st.sampled_from(DTYPES)))
    low = 0 if dtype.kind == "u" else least_of(name)
    drawn = st.lists(st.integers(low, SIDE - 1), min_size=n, max_size=n)
    for key in range(3):
        x, i = square(key=key), its(np.array(data.draw(drawn), dtype))
        want = numpys(seen(x), i.astype(np.int64))
        for a, b in ((accel.asarray(x), accel.asarray(i)), (x, i)):
            made = ours(seen(a), b)
            assert type(made) is type(a)
            assert np.array_equal(np.asarray(made), want) and np.asarray(made).dtype == want.dtype
        wrong = i.copy()
        at = data.draw(st.sampled_from([0, n - 1]))
        wrong[at] = data.draw(st.sampled_from([SIDE, np.iinfo(dtype).max] + [low - 1] * (dtype.kind == "i")))
        with pytest.raises(IndexError, match=f"^{words}-?[0-9]+ is out of range for an axis of length {SIDE}$"):
            ours(seen(accel.asarray(x)), accel.asarray(wrong))


@pytest.mark.parametrize("name", READS)
def test_the_same_call_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one with a position out of range, which has to be said, is not."""
    made = []
    right = position_memo.PositionMemo.keep
    monkeypatch.setattr(position_memo.PositionMemo, "keep", lambda *given: made.append(given[1]) or right(*given))
    ours = READS[name][0]
    x, i = (accel.asarray(v) for v in (np.zeros((SIDE, SIDE, 1, 1))[:, :, 0, 0], np.arange(SIDE)[None][0]))
    dispatch.forget()
    ours(x, i)
    before = len(made)
    for key in range(3):
        ours(accel.asarray(square(np.float64, key)), accel.asarray(np.roll(np.arange(SIDE), key)))
    assert len(made) == before
    with pytest.raises(IndexError):
        ours(x, accel.asarray(np.full(SIDE, SIDE)))
    assert len(made) == before + 1


@given(st.data())
def test_elements_are_stored_as_numpy_stores_them(data: st.DataObject) -> None:
    seen = data.draw(st.sampled_from(LAYOUTS))
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    n, forward = data.draw(st.integers(1, 5)), data.draw(st.booleans())
    low = 0 if forward or dtype.kind == "u" else -SIDE
    for key in range(3):
        i = np.array(data.draw(st.lists(st.integers(low, SIDE - 1), min_size=n, max_size=n)), dtype)
        whole = square(key=key + 1)[np.arange(n) % SIDE]
        value = data.draw(
            st.sampled_from([whole, whole[0], whole[:1, :1], whole.astype(np.float64), 7, 2.5, whole[0, 0]])
        )
        want = square(key=key)
        mine = accel.asarray(want, copy=True)
        seen(want)[i.astype(np.int64)] = value
        seen(mine)[accel.asarray(i)] = accel.asarray(value) if isinstance(value, np.ndarray) else value
        assert np.array_equal(to_numpy(mine), want)
        seen(mine)[i] = value
        assert np.array_equal(to_numpy(mine), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_bad_position_leaves_everything_as_it_was(dtype: str, place: int) -> None:
    x, values = accel.asarray(square(), copy=True), accel.asarray(-square(key=1))
    good = np.array([1, 0, 5, 2, 4], dtype)
    limits = np.iinfo(dtype)
    bad = [SIDE, limits.max, *((-SIDE - 1, limits.min) if limits.min else ())]
    for value in (values[:5], values[0], 3.0):
        x[accel.asarray(good)] = value
        before = to_numpy(x).copy()
        for wrong in bad:
            its = good.copy()
            its[place] = wrong
            with pytest.raises(IndexError, match=r"^index: array 0: -?[0-9]+ is out of range for an axis of length 6$"):
                x[accel.asarray(its)] = value
            assert np.array_equal(to_numpy(x), before)
        with pytest.raises(IndexError):
            x[accel.asarray(its)]
    assert not np.array_equal(before, square())


def test_several_values_for_one_element_and_elements_of_the_array_itself() -> None:
    for _ in range(3):
        want, mine = np.arange(6.0), accel.asarray(np.arange(6.0))
        i = np.array([1, 1, 4, 1])
        want[i], mine[accel.asarray(i)] = np.array([7.0, 8.0, 9.0, 10.0]), accel.asarray([7.0, 8.0, 9.0, 10.0])
        assert mine.tolist() == want.tolist()
        i = np.array([1, 2, 3, 4, 5, 0])
        want[i], mine[accel.asarray(i)] = want.copy(), mine
        assert mine.tolist() == want.tolist()
        places = accel.asarray(np.array([2, 0, 1]))
        assert places[places].tolist() == [1, 2, 0]
        places[places] = places
        assert places.tolist() == [0, 1, 2]


def test_what_may_not_be_written_is_refused_the_second_time_too() -> None:
    i, value = accel.asarray(np.array([0, 2])), accel.asarray(np.ones(2, np.float32))
    own = accel.zeros(3)
    given = np.zeros(3, np.float32)
    given.flags.writeable = False
    for _ in range(2):
        own[i] = value
        with pytest.raises(accel.ArgumentError, match="the array is read-only"):
            accel.asarray(given)[i] = value
    assert not given.any() and own.tolist() == [1, 0, 1]


def test_arguments_of_other_kinds_are_told_apart() -> None:
    x, i = accel.asarray(square()), accel.asarray(np.array([1, 0]))
    assert accel.take(x, i, axis=1).shape == (SIDE, 2)
    for wrong in (1.0, "1", (1,), [1]):
        with pytest.raises(accel.AccelError):
            accel.take(x, i, axis=wrong)
    assert accel.take(x, i, axis=np.int64(1)).shape == (SIDE, 2)
    with pytest.raises(accel.AxisError):
        accel.take(x, i)
    nn.embedding(i, x, 1)
    for _ in range(2):
        with pytest.raises(accel.ArgumentError, match="padding_idx: 6 is no row"):
            nn.embedding(i, x, SIDE)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2)])
def test_no_positions(shape: tuple[int, ...]) -> None:
    x, none = square(), np.zeros(shape, np.int64)
    mine, i = accel.asarray(x, copy=True), accel.asarray(none)
    for _ in range(2):
        assert accel.take(mine, i, axis=0).shape == (*shape, SIDE)
        assert mine[i].shape == (*shape, SIDE)
        assert nn.embedding(i, mine).shape == (*shape, SIDE)
        mine[i] = 5.0
        assert mine[:, :0][accel.asarray([1, 2])].shape == (2, 0)
        mine[:, :0][accel.asarray([1, 2])] = 1.0
        with pytest.raises(IndexError):
            mine[:0][accel.asarray([0])]
    assert np.array_equal(to_numpy(mine), x)


def test_settings_hold_after_a_call_was_kept() -> None:
    x, good, bad = (accel.asarray(v) for v in (square(), np.array([1, 2]), np.array([1, SIDE])))
    accel.take(x, good, axis=0)
    with accel.config(check="off"):
        assert to_numpy(accel.take(x, bad, axis=0)).tolist() == [square()[1].tolist(), [0] * SIDE]
        stored = accel.asarray(square(), copy=True)
        stored[good] = 5.0
        stored[bad] = 7.0
        want = square()
        want[1], want[2] = 7.0, 5.0
        assert np.array_equal(to_numpy(stored), want)
    for check in ("late", "sync"):
        with accel.config(check=check), pytest.raises(IndexError, match="6 is out of range"):
            accel.take(x, bad, axis=0)
    with recording(run=False) as found:
        assert accel.take(x, good, axis=0).shape == (2, SIDE)
        assert accel.take(x, bad, axis=0).shape == (2, SIDE), "where nothing runs, nothing is checked"
    assert len(found.calls) == 2
    fused = accel.fuse(lambda x, i: accel.take(x, i, axis=0) * 2)
    assert np.array_equal(to_numpy(fused(x, good)), square()[[1, 2]] * 2)


def test_by_threads() -> None:
    """Eight threads, each of which takes, stores, and is refused, with arrays of its own."""
    failures = []

    def work(key: int) -> None:
        rng = np.random.default_rng(key)
        try:
            for _ in range(200):
                x, i = square(key=key), rng.integers(-SIDE, SIDE, 4)
                mine = accel.asarray(x, copy=True)
                assert np.array_equal(to_numpy(mine[accel.asarray(i)]), x[i])
                x[i], mine[accel.asarray(i)] = 3.0, 3.0
                assert np.array_equal(to_numpy(mine), x)
                with pytest.raises(IndexError):
                    mine[accel.asarray(np.array([0, 0, 0, SIDE + key]))]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_wrong_table_is_no_crash() -> None:
    x, i = accel.asarray(np.arange(4.0)), accel.asarray(np.array([2, 0]))
    spec, params = registry.OPS["take"], Gather((-1,))
    right = (spec, params, -4, 4, (0, x.layout, 1, i.layout), None)

    def called(entry: Any) -> Any:
        return _core.Take({(x.layout, i.layout): entry}, lambda *given: "slow", dispatch.call, RECORDER)(x, i)

    assert called(right).tolist() == [2.0, 0.0]
    for entry in (None, (), right[:5], (*right[:4], None, None), (*right[:4], (7, x.layout), None),
                  (*right[:4], (-1, x.layout), None), (*right[:5], (0,)), (*right[:5], (5, x.layout)),
                  (*right[:2], 1, 4, *right[4:]), (*right[:3], 2, *right[4:])):  # fmt: skip
        assert called(entry) == "slow", entry
    for entry in (("spec", *right[1:]), (*right[:2], "0", *right[3:]), (*right[:4], ("0", x.layout), None)):
        with pytest.raises((TypeError, AttributeError)):
            called(entry)
    with pytest.raises(TypeError, match="expected an array, positions"):
        _core.Take({}, None, None, RECORDER)(x)
    with pytest.raises(TypeError):
        _core.Take({}, None, None, RECORDER)(x, i, axis=0)


@pytest.mark.parametrize("dtype", ["bool", *DTYPES, "float16", "bfloat16", "float32", "float64", "complex64"])
def test_one_element_is_read(dtype: str) -> None:
    """As NumPy reads it, whatever axes it has; where it is not alone, or not in the host's memory, it is not."""
    its = accel.zeros(1, dtype=dtype).dtype.numpy
    values = [0, 1, *([3.5, -0.0, np.inf, 5e-324, 1e-40] if its.kind in "fcV" else [])]
    if its.kind in "iu":
        values += [np.iinfo(its).min, np.iinfo(its).max]
    simple = its.kind in "biu" or dtype in ("float32", "float64")
    for value in values:
        whole = np.array([[2, 0, 3]]).astype(its)
        whole[0, 1] = value
        array = accel.asarray(whole)
        for one in (array[0, 1], array[:, 1], array[None, :, 1:2]):
            want = whole[0, 1].item()
            for found in (one.item(), *((_core.load(one),) if simple else ())):
                assert type(found) is type(want) and repr(found) == repr(want)
        assert (_core.load(array[0, 1]) is None) is not simple
    assert _core.load(array) is None and _core.load(array[:, :0]) is None and _core.load(whole[0, 1]) is None


def test_masks_of_one_block_and_of_several() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 7, 64, 4095, 4096, 4097, 9000):
        for share in (0.0, 0.002, 0.1, 0.5, 1.0):
            chosen = rng.random(n) < share
            for x in (rng.integers(0, 99, n), rng.random((n, 5), dtype=np.float32), rng.random((5, n)).T):
                for _ in range(2):
                    assert np.array_equal(to_numpy(accel.asarray(x)[accel.asarray(chosen)]), x[chosen])
                    assert np.array_equal(to_numpy(accel.asarray(x)[chosen]), x[chosen])
                chosen = chosen[::-1]
    with pytest.raises(IndexError, match="a mask of shape"):
        accel.asarray(np.zeros(3))[accel.asarray(np.ones(4, bool))]


def test_whether_arrays_are_apart() -> None:
    memory = np.zeros(12)
    x, y, other = accel.asarray(memory[:6]), accel.asarray(memory[5:]), accel.asarray(np.zeros(6))
    assert _core.apart((other,), x) and _core.apart([other, other], y) and _core.apart((), x)
    assert not _core.apart((x,), y) and not _core.apart((other, y), x) and not _core.apart((x,), x[:1])
    assert not _core.apart((memory,), x) and not _core.apart((other,), (x,)) and not _core.apart(None, x)
    with pytest.raises(TypeError):
        _core.apart((x,))
