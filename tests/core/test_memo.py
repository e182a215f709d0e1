"""The short way of repeated calls: arguments that are no arrays are known by value, type and sign."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
import torch

import accel
from accel import interop, memo, registry
from accel.errors import ArgumentError

X = np.linspace(-2, 2, 6, dtype=np.float32)


class Own:
    """Equals nothing but itself."""

    def __repr__(self):
        return "own"  # the same in every process, as names of tests are


class Equal:
    """Equals every other, and may not be taken for it."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1

    def __repr__(self):
        return "equal"


@pytest.fixture
def counted():
    """A memo of `abs` that says what it was called with, and the list of what was new."""
    new = []

    def slow(key, *arguments):
        new.append(arguments)
        made.keep(key, registry.OPS["abs"], None, lambda result, arrays: (result, arrays))
        return "new"

    made = memo.Memo(slow)
    return made.call, new


OWN, LONG = Own(), "a word " * 3


@pytest.mark.parametrize(
    "values",
    [(1, 1.0, True), (0.0, -0.0), (0, False, None), ((1,), (1.0,), (True,)), ((0.0,), (-0.0,)), (5e-324, 0.0),
     (2**70, float(2**70)), (OWN, Own()), (accel.float32, accel.float64), ("1", 1), ((), None), (int, float), (LONG,),
     ((1, "a", None, 2.5), (1, "a", None, 2.25))],
    ids=str,
)  # fmt: skip
def test_values_are_told_apart(counted, values):
    call, new = counted
    for value in values:
        assert call(X, value) == "new"
        result, (array,) = call(X, value)
        assert array is X
        assert result.tolist() == np.abs(X).tolist()
    assert [type(value) for _, value in new] == [type(value) for value in values]


def test_equal_values_are_one(counted):
    call, new = counted
    for _ in range(3):
        call(X, float("2.5"), int("1000000"), "".join(["a ", "word"]), (7, float("0.5")), None)
    assert len(new) == 1


@pytest.mark.parametrize(
    "value", [[1], {}, {1}, Equal(), np.float32(1), np.dtype("f4"), ((1, (2,)),), (OWN,), (X,)], ids=str
)
def test_what_is_no_plain_value_is_asked_for_each_time(counted, value):
    call, new = counted
    for _ in range(3):
        assert call(X, value) == "new"
    assert len(new) == 3


@pytest.mark.parametrize("shape", [[6], torch.Size([6]), np.shape(X), np.array([6])])
def test_shapes_of_any_kind_are_tuples_to_a_composed_op(shape):
    want = np.asarray(accel.nn.rms_norm(X, (6,)))
    for _ in range(2):
        if isinstance(shape, np.ndarray):
            with pytest.raises(ArgumentError, match="normalized_shape: expected no array"):
                accel.nn.rms_norm(X, shape)
        else:
            assert np.asarray(accel.nn.rms_norm(X, shape)).tobytes() == want.tobytes()
    with pytest.raises(ArgumentError, match="normalized_shape"):
        accel.nn.rms_norm(X, [6.0])


def test_where_the_arrays_are_counts(counted):
    call, new = counted
    for arguments in ((X, 1), (1, X), (X, None), (None, X), (X,), (1,)):
        assert call(*arguments) == "new"
    assert len(new) == 6
    assert call(None, X)[1] == (X,)


def test_many_arguments_and_keywords(counted):
    call, _ = counted
    for _ in range(2):
        assert call(X, *range(100)) == "new"
    with pytest.raises(TypeError, match="positional"):
        call(X, x=1)
    assert call() == "new"


def test_nothing_deep_is_hashed(counted):
    """Which would overflow the stack."""
    call, _ = counted
    deep = ()
    for _ in range(200_000):
        deep = (deep,)
    assert call(X, deep) == "new"
    with pytest.raises(ArgumentError, match="contains itself, or is nested deeper"):
        accel.fuse(lambda x, y: x)(X, deep)
    with pytest.raises(ArgumentError, match="normalized_shape"):
        accel.nn.rms_norm(X, deep)
    while deep:  # which else is taken to pieces by recursion
        (deep,) = deep


def test_kept_values_go_with_their_memo(counted):
    call, _ = counted
    value = Own()
    before = sys.getrefcount(value)
    for _ in range(10):
        call(X, value)
    assert sys.getrefcount(value) == before + 2, "the key, which is in the table and in its entry"


def test_a_wrong_table_is_no_crash():
    for entry in (None, (), (1, 2, 3), ((1,), registry.OPS["abs"], None, None), (((1, 2)), None, None, None)):
        table = {(1, 2): entry}
        call = accel._core.Memo(interop.enter, table, lambda *arguments: "slow", {}, accel.float32.__class__)
        try:
            assert call(X, 2) == "slow"
        except (AttributeError, TypeError):
            assert entry is not None and len(entry) == 4


def test_arguments_of_one_op_by_threads():
    """Eight threads call with values that equal each other, each of which gives another result or error."""
    ops = {
        "elu": [(1,), (1.0,), (0.5,), (-0.0,), (0.0,)],
        "threshold": [(0.0, 0.0), (-0.0, -0.0), (0.0, -0.0), (1, 2), (1.0, 2.0)],
    }
    want = {
        (name, i): np.asarray(getattr(accel.nn, name)(X, *a)).tobytes() for name in ops for i, a in enumerate(ops[name])
    }
    assert len(set(want.values())) > 4
    wrong = []

    def work(first):
        for turn in range(40):
            for name, calls in ops.items():
                i = (first + turn) % len(calls)
                if np.asarray(getattr(accel.nn, name)(X, *calls[i])).tobytes() != want[name, i]:
                    wrong.append((name, calls[i]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
