"""`accel.fuse`: a user's own function, compiled, with the bits of its calls one by one."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import namedtuple

import numpy as np
import pytest
import torch

import accel
from accel import dispatch
from accel.errors import AccelError, ArgumentError

Pair = namedtuple("Pair", "left right")

X = np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)
Y = np.linspace(0.5, 2, 24, dtype=np.float32).reshape(4, 6)


class Counted:
    """A function that counts how often it runs, and so, fused, its traces."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args, **keywords):
        self.calls += 1
        return self.function(*args, **keywords)


def gate(x, y):
    return accel.exp(x) * y / (1 + y * y)


def same(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()


def unfused(function, *args):
    with accel.config(fusion="off"):
        return function(*map(accel.asarray, args))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, accel.asarray])
def test_results_are_of_the_kind_of_the_arguments(kind):
    got = accel.fuse(gate)(kind(X), kind(Y))
    assert type(got) is type(kind(X))
    same(got, unfused(gate, X, Y))


def test_other_bits_would_be_seen():
    with pytest.raises(AssertionError):
        same(accel.fuse(gate)(X, Y), unfused(lambda x, y: accel.exp(x) * (y / (1 + y * y)), X, Y))


def test_trees_of_arrays_go_in_and_out():
    def tree(first, second, *, third):
        return {"a": [first["x"] + 1.0, None], "b": Pair(second.left * 2.0, (third[0] - 1.0, 7)), "c": ()}

    got = accel.fuse(tree)({"x": X, "n": None}, Pair(Y, 3), third=(X, "word", [], {}))
    assert list(got) == ["a", "b", "c"]
    assert isinstance(got["a"], list)
    assert isinstance(got["b"], Pair)
    assert got["a"][1] is None
    assert got["b"].right[1] == 7
    assert got["c"] == ()
    same(got["a"][0], X + 1)
    same(got["b"].left, Y * 2)
    same(got["b"].right[0], X - 1)


def test_a_function_is_traced_once_for_each_layouts():
    counted = Counted(gate)
    fused = accel.fuse(counted)
    for a, b in ((X, Y), (X + 1, Y), (X.copy(), Y.copy())):
        fused(a, b)
    assert counted.calls == 1
    fused(X[:2], Y[:2])
    assert counted.calls == 2
    fused(X[:, ::2], Y[:, ::2])
    assert counted.calls == 3
    fused(X.astype("float64"), Y.astype("float64"))
    assert counted.calls == 4
    fused(X, Y)
    assert counted.calls == 4


@pytest.mark.parametrize(
    "values",
    [(1, 1.0, True), (0.0, -0.0), (np.float32(0), np.float32(-0.0)), ((1,), (1.0,)), ({"k": 0.0}, {"k": -0.0})],
)
def test_other_arguments_count_with_their_type_and_sign(values):
    seen = []

    def noted(x, value):
        seen.append(value)
        return x + 1.0

    fused = accel.fuse(noted)
    for value in values * 2:
        fused(X, value)
    assert list(map(repr, seen)) == list(map(repr, values))


def test_methods():
    class Layer:
        def __init__(self, factor):
            self.factor = factor

        @accel.fuse
        def scaled(self, x):
            return x * self.factor + 1.0

    for factor in (2.0, 3.0):
        same(Layer(factor).scaled(X), X * np.float32(factor) + 1)


def test_a_callable_object_keeps_attributes_of_its_own():
    class Own:
        def __init__(self):
            self._function, self._name, self._ops = None, 3, None

        def __call__(self, x):
            return x + 1.0

    same(accel.fuse(Own())(X), X + 1)


@accel.fuse
def decorated(x):
    return x + 1.0


def test_pickled_and_copied_before_and_after_a_call():
    fused = accel.fuse(gate)
    for _ in range(2):
        assert pickle.loads(pickle.dumps(decorated)) is decorated
        for other in (pickle.loads(pickle.dumps(fused)), copy.deepcopy(fused), copy.copy(fused)):
            assert other is not fused
            same(other(X, Y), fused(X, Y))
        same(decorated(X), X + 1)


def test_fused_functions_call_fused_functions():
    inner = accel.fuse(gate)
    outer = accel.fuse(lambda x, y: {"r": inner(inner(x, y), y) + x})
    same(outer(X, Y)["r"], unfused(lambda x, y: gate(gate(x, y), y) + x, X, Y))
    same(accel.fuse(inner)(X, Y), unfused(gate, X, Y))


def test_recursion():
    @accel.fuse
    def power(x, n):
        return x if n == 0 else power(x * x + 1.0, n - 1)

    want = X
    for _ in range(3):
        want = unfused(lambda x: x * x + 1.0, want)
    same(power(X, 3), want)


def test_results_that_are_inputs_views_or_one_value_twice():
    def results(x, y):
        z = x * y
        return x, y[1:, ::2], z, z, z[::-1], accel.broadcast_to(z[:1], (3, 6)), accel.reshape(z, (6, 4))

    got, want = accel.fuse(results)(X, Y), unfused(results, X, Y)
    for a, b in zip(got, want, strict=True):
        same(a, b)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (), (1, 1)])
def test_small_shapes(shape):
    x = np.ones(shape, np.float32)
    same(accel.fuse(gate)(x, x), unfused(gate, x, x))


@pytest.mark.parametrize("how", [lambda a: a.T, lambda a: a[::-1, ::-2], lambda a: np.broadcast_to(a[:, :1], a.shape)])
def test_odd_strides(how):
    same(accel.fuse(gate)(how(X), how(Y)), unfused(gate, how(X), how(Y)))


MADE_INSIDE = {
    "arange": lambda x: x * accel.arange(6, dtype="float32") + accel.arange(x.shape[0])[:, None],
    "linspace": lambda x: x - accel.linspace(0, 1, 6),
    "eye": lambda x: x @ accel.eye(6, 5, k=1) + accel.eye(4, 5),
    "full": lambda x: accel.where(x > accel.zeros(6), accel.ones(x.shape), accel.full(6, 2.5)),
    "mask": lambda x: accel.nn.softmax(accel.where(accel.tril(accel.ones((6, 6), dtype="bool")), x.T @ x, -accel.inf)),
    "triangles": lambda x: accel.tril(x) - accel.triu(x, k=1),
    "returned": lambda x: (x + 1, accel.arange(3)),
    "grid": lambda x: x + sum(accel.meshgrid(accel.arange(6.0), accel.arange(4.0))),
    "list": lambda x: x * accel.asarray([0.5, -1, 2, 3, 4, 5]) + accel.asarray(((1,), (2,), (3,), (4,)), dtype="int8"),
    "number": lambda x: x * accel.asarray(2.5) - accel.asarray(np.float32(0.75)) + accel.asarray(range(6)),
    "positions": lambda x: accel.take(x, accel.asarray([5, 0, 3]), axis=1),
    "part of a list": lambda x: x[0] - accel.asarray([[9.0] * 6, [1, 2, 3, 4, 5, 6]])[1],
    "complex list": lambda x: accel.real(x[:, :3] * accel.asarray([1j, 2, 3 - 4j])[::-1]),
    "complex eye": lambda x: accel.abs(x @ accel.eye(6, dtype="complex64")),
}


@pytest.mark.parametrize("name", MADE_INSIDE)
def test_what_numbers_alone_make_are_constants(name):
    function = Counted(MADE_INSIDE[name])
    fused = accel.fuse(function)
    for x in (X, Y):
        for got, want in zip(_several(fused(x)), _several(unfused(MADE_INSIDE[name], x)), strict=True):
            same(got, want)
    assert function.calls == 1


def _several(found):
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", [name for name in MADE_INSIDE if name != "returned"])
def test_and_so_they_are_where_it_is_derived(name):
    got = accel.grad(lambda x: accel.sum(accel.square(MADE_INSIDE[name](x))))(X)
    assert np.isfinite(np.asarray(got)).all() and got.shape == X.shape


def test_fusion_off_and_override(monkeypatch):
    with accel.config(fusion="off"):
        same(accel.fuse(gate)(X, Y), unfused(gate, X, Y))
    with accel.config(override="add=cpu,divide=cpu"):
        same(accel.fuse(gate)(X, Y), unfused(gate, X, Y))


def varying(x, word="a"):
    """Of one length an array, of two a tuple of it, of others a dict with the length."""
    y = x * 2.0
    return y if x.shape[0] == 1 else (y,) if x.shape[0] == 2 else {"n": x.shape[0], "y": [y]}


def check_varying(fused, n):
    got = fused(X[:n])
    if n > 2:
        assert list(got) == ["n", "y"] and got["n"] == n
        (got,) = got["y"]
    elif n == 2:
        (got,) = got if type(got) is tuple else pytest.fail(f"got a {type(got).__name__}")
    same(got, X[:n] * 2)


def test_the_structure_of_results_may_follow_the_layouts():
    fused = accel.fuse(varying)
    for n in (1, 1, 2, 1, 4, 3, 4, 2, 1):
        check_varying(fused, n)
    dispatch.forget()
    for n in (2, 1, 4):
        check_varying(fused, n)
    nested = accel.fuse(lambda x: fused(fused(x[:1])))
    same(nested(X), X[:1] * 4)


def test_eight_threads_and_results_that_follow_the_layouts():
    for _ in range(5):
        fused, wrong, ready = accel.fuse(varying), [], threading.Barrier(8)

        def work(first, fused=fused, wrong=wrong, ready=ready):
            try:
                ready.wait()
                for turn in range(12):
                    check_varying(fused, 1 + (first + turn) % 4)
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_eight_threads_call_one_function():
    fused = accel.fuse(gate)
    want, wrong = unfused(gate, X, Y), []

    def work():
        try:
            for n in (4, 3, 2, 4):
                same(fused(X[:n], Y[:n]), np.asarray(want)[:n])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_iterating_and_asking_for_shapes_is_fine():
    got = accel.fuse(lambda x: [x[i] + float(x.shape[0]) for i in range(x.shape[0])] + [row * 2.0 for row in x])(X)
    for a, b in zip(got, [*(X + 4), *(X * 2)], strict=True):
        same(a, b)


OUTSIDE = accel.ones((4, 6), dtype="float32")
OUTSIDE_ROW = np.ones(6, np.float32)


def writes(x):
    x[0] = 1.0
    return x


def adds_in_place(x):
    x += 1.0
    return x


def sets(x):
    with accel.config(fusion="off"):
        return x + 1.0


REFUSED = {
    "if": lambda x: x if accel.sum(x) > 0.0 else -x,
    "float": lambda x: x * float(accel.sum(x)),
    "int": lambda x: x * int(accel.sum(x)),
    "index": lambda x: x * range(9)[accel.argmax(x)],
    "bool": lambda x: x * bool(accel.sum(x)),
    "asarray": lambda x: accel.asarray(np.asarray(x)) + 1.0,
    "numpy": lambda x: np.from_dlpack(x),
    "torch": lambda x: torch.from_dlpack(x),
    "item": writes,
    "in place": adds_in_place,
    "settings": sets,
    "own": lambda x: x + OUTSIDE,
    "ndarray": lambda x: accel.add(x, np.ones((4, 6), np.float32)),
    "list of arrays": lambda x: x + accel.asarray([OUTSIDE_ROW, OUTSIDE_ROW, OUTSIDE_ROW, OUTSIDE_ROW]),
    "array in a list": lambda x: accel.asarray([1.0, x[0, 0]]),
    "captured result": lambda x: (x, OUTSIDE),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_refused_with_its_line(name):
    function = REFUSED[name]
    fused = accel.fuse(function)
    for _ in range(2):
        with pytest.raises(ArgumentError) as caught:
            fused(accel.asarray(X))
        assert dispatch.RECORDER.get() is None
        if name == "torch":  # the line of torch's that asked
            assert "dlpack.py:" in str(caught.value)
        elif name != "captured result":  # is seen when the function has returned
            first = function.__code__.co_firstlineno
            assert any(f"{__file__}:{line}" in str(caught.value) for line in range(first, first + 3)), caught.value
    same(accel.fuse(gate)(X, Y), unfused(gate, X, Y))


@pytest.mark.parametrize(
    "result",
    [lambda x: 3, lambda x: None, lambda x: (), lambda x: (i for i in [x]), lambda x: torch.ones(3), lambda x: {1}],
)
def test_results_without_arrays(result):
    with pytest.raises(ArgumentError):
        accel.fuse(result)(accel.asarray(X))
    assert dispatch.RECORDER.get() is None


@pytest.mark.parametrize("args", [(), (3,), ([], {})])
def test_no_arrays(args):
    with pytest.raises(ArgumentError, match="at least one array"):
        accel.fuse(lambda *a: a)(*args)


def test_arguments_that_are_no_keys():
    with pytest.raises(ArgumentError, match="argument 1: got a set"):
        accel.fuse(lambda x, s: x)(X, {1})
    with pytest.raises(ArgumentError, match=r"tree\['a'\]\[1\]: got a set"):
        accel.fuse(lambda x, tree: x)(X, tree={"a": (1, {1})})
    with pytest.raises(ArgumentError, match=r"the result\['a'\]\[0\]: got a set"):
        accel.fuse(lambda x: {"a": [{1}]})(X)


class Key:
    """A key of a dict that looks like any other."""

    def __repr__(self):
        return "key"


def test_names_that_are_others_too():
    same(accel.fuse(lambda op: op + 1.0)(op=X), X + 1)
    same(accel.fuse(lambda x, **more: x + more["argument 0"])(X, **{"argument 0": Y}), X + Y)
    first, second = Key(), Key()
    same(accel.fuse(lambda d: d[first] - d[second])({first: X, second: Y}), X - Y)


def test_keys_of_dicts_count_with_their_type():
    fused = accel.fuse(lambda d: next((type(k), x * 2.0) for k, x in d.items()))
    for key in (1, True, 1.0, 1):
        kind, got = fused({key: X})
        assert kind is type(key)
        same(got, X * 2)


ENDLESS_LIST: list = [X]
ENDLESS_LIST += [ENDLESS_LIST, ENDLESS_LIST]
ENDLESS_DICT: dict = {"x": X}
ENDLESS_DICT["d"] = (ENDLESS_DICT,)


@pytest.mark.parametrize("endless", [ENDLESS_LIST, ENDLESS_DICT], ids=["list", "dict"])
def test_what_contains_itself_is_refused(endless):
    fused = accel.fuse(lambda x, tree=None: endless if tree is None else x)
    for call in (lambda: fused(X, endless), lambda: fused(X, tree=endless)):
        with pytest.raises(ArgumentError, match="an argument is a list or dict that contains itself"):
            call()
    with pytest.raises(ArgumentError, match="the result is a list or dict that contains itself"):
        fused(X)
    same(fused(X, [[X], {"deep": [[[(X,)]]]}]), X)
    with pytest.raises(ArgumentError, match="normalized_shape: got a list of 1, nested without end"):
        accel.nn.rms_norm(X, LOOP)


LOOP: list = []
LOOP.append(LOOP)


@pytest.mark.parametrize("thing", [None, 3, X])
def test_what_is_not_callable(thing):
    with pytest.raises(ArgumentError, match="callable"):
        accel.fuse(thing)


def test_exceptions_of_the_function_pass():
    error = KeyError("mine")

    def raises(x):
        accel.exp(x)
        raise error

    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            accel.fuse(raises)(X)
        assert caught.value is error
        assert dispatch.RECORDER.get() is None


def test_errors_of_calls_name_the_line():
    with pytest.raises(AccelError, match=r"test_fuse\.py:\d+"):
        accel.fuse(lambda x: x + x[:, :5])(X)


def test_operands_on_two_devices(target):
    with target.in_force() as device:
        if str(device) == "cpu":
            same(accel.fuse(gate)(accel.asarray(X), accel.asarray(Y, device=str(device))), unfused(gate, X, Y))
            return
        with pytest.raises(AccelError, match="device"):
            accel.fuse(gate)(accel.asarray(X, device="cpu"), accel.asarray(Y, device=str(device)))


@pytest.mark.parametrize(
    "scalar", [np.float32(2.5), np.float32(-0.0), np.float32(np.nan), np.float16(3), np.float64(0.1)]
)
def test_numpys_scalars_are_constants(scalar):
    x = accel.asarray(np.linspace(-2, 2, 7, dtype=np.float32))
    got, want = accel.fuse(lambda x: scalar * accel.exp(x))(x), scalar * accel.exp(x)
    assert got.dtype is want.dtype
    assert np.asarray(got).tobytes() == np.asarray(want).tobytes()
