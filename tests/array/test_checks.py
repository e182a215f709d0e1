"""An index out of range is an IndexError wherever it stands: called one by one, fused, derived, in torch's functions,
and, on a device that works behind the host, when that is waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import autodiff, dispatch, memory, nn
from accel.checks import Check
from accel.conversion import to_numpy
from accel.ops.primitive import gather

DEVICES = ("cpu", "opencl:intel", "opencl:pocl", "triton:interpreter")

ROWS, WIDTH = 6, 3
X = np.arange(1.0, 1 + ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH)

Function = Callable[[Any, Any], Any]

OPS: dict[str, tuple[Function, int, str]] = {
    "take": (lambda x, i: accel.take(x, i, axis=0), -ROWS, "take: indices: "),
    "take_along_axis": (lambda x, i: accel.take_along_axis(x, i[:, None], axis=0), -ROWS, "take_along_axis: indices: "),
    "index": (lambda x, i: x[i], -ROWS, "index: array 0: "),
    "gather": (lambda x, i: accel.gather(x, 0, i[:, None]), -ROWS, "gather: index: "),
    "index_select": (lambda x, i: accel.index_select(x, 0, i), -ROWS, "index_select: index: "),
    "put_along_axis": (lambda x, i: accel.put_along_axis(x, i[:, None], 7, axis=0), -ROWS, "put_along_axis: indices: "),
    "index_add": (lambda x, i: accel.index_add(x, 0, i, x[i * 0]), -ROWS, "index_add: index: "),
    "index_fill": (lambda x, i: accel.index_fill(x, 0, i, 0.5), -ROWS, "index_fill: index: "),
    "scatter_add": (lambda x, i: accel.scatter_add(x, 0, i[:, None], 2.0), -ROWS, "scatter_add: index: "),
    "embedding": (lambda x, i: nn.embedding(i, x), 0, "embedding: input: "),
    "embedding_bag": (lambda x, i: nn.embedding_bag(i[None], x), 0, "embedding_bag: input: "),
    "one_hot": (lambda x, i: nn.one_hot(i, ROWS) @ accel.astype(x, "int64"), 0, "one_hot: x: "),
    "segment_sum": (lambda x, i: nn.segment_sum(x[i * 0], i, ROWS), 0, "segment_sum: segment_ids: "),
    "cross_entropy": (
        lambda x, i: nn.cross_entropy(accel.broadcast_to(x[:, 0], (i.shape[0], ROWS)), i), 0, "cross_entropy: target: ",
    ),
    "nll_loss": (
        lambda x, i: nn.nll_loss(accel.broadcast_to(x[:, 0], (i.shape[0], ROWS)), i), 0, "nll_loss: target: ",
    ),
}  # fmt: skip
"""By name: a function of x and a vector of indices, the least of these, and what its errors begin with."""

DERIVED = sorted(set(OPS) - {"one_hot"})


@st.composite
def indices(draw: st.DrawFn, least: int) -> tuple[np.ndarray, int]:
    """A vector of indices, and the place at which none is when a bad one is put there."""
    n = draw(st.sampled_from([1, 7]))  # each length is traced anew
    dtype = draw(st.sampled_from([np.int64, np.int64, np.int32, np.int16] + [np.uint8] * (least == 0)))
    good = np.array(draw(st.lists(st.integers(least, ROWS - 1), min_size=n, max_size=n)), dtype)
    limits = np.iinfo(dtype)
    above = st.sampled_from([ROWS, ROWS + 1, min(limits.max, 2**62), limits.max])
    below = [v for v in (least - 1, limits.min, -(2**62)) if limits.min <= v < least and v != -100]
    bad = draw(st.one_of(above, st.sampled_from(below)) if below else above)
    return good, draw(st.integers(0, n - 1)), bad


def ways(name: str) -> dict[str, Function]:
    """How the function is called."""
    function = OPS[name][0]
    found = {
        "one by one": function,
        "fused": accel.fuse(function),
        "fused with more": accel.fuse(lambda x, i: accel.exp(function(x * 0.5, i + 0) * 0.01)),
    }
    if name in DERIVED:
        found["derived"] = accel.grad(lambda x, i: accel.sum(function(x, i) ** 2))
        found["pulled back"] = lambda x, i: accel.vjp(function, x, i)[0]
    return found


WAYS = {name: ways(name) for name in OPS}


def placed(device: str, *arrays: np.ndarray) -> list[accel.Array]:
    return [accel.asarray(x, device=device) for x in arrays]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    try:
        accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(str(error))
    with accel.config(device=request.param):
        yield request.param


@pytest.mark.parametrize("name", OPS)
@given(data=st.data())
def test_one_bad_index_is_always_an_error(name: str, data: st.DataObject) -> None:
    _, least, words = OPS[name]
    good, place, bad = data.draw(indices(least))
    x, its = placed("cpu", X, good)
    for way, call in WAYS[name].items():
        result = call(x, its)  # the control
        wrong = its.copy()
        to_numpy(wrong)[place] = bad
        with pytest.raises(IndexError, match=words) as caught:
            call(x, wrong)
        if "target" not in words:
            assert str(int(bad)) in str(caught.value) and f"length {ROWS}" in str(caught.value), way
        if way.startswith("fused"):
            assert "; the traced function stands at " in str(caught.value) and __file__ in str(caught.value)
        again = call(x, its)
        for a, b in zip(autodiff.arrays_in(result), autodiff.arrays_in(again), strict=True):
            assert to_numpy(a).tobytes() == to_numpy(b).tobytes(), "an error leaves nothing behind"


SOME = ("take", "embedding_bag", "index_add", "nll_loss")
"""Those of other devices: what is looked at is found in the same way for all."""


@pytest.mark.parametrize("name", SOME)
def test_on_every_device(name: str, device: str) -> None:
    _, least, words = OPS[name]
    for bad in (ROWS, least - 1):
        x, good, wrong = placed(device, X, np.array([0, 5, 2]), np.array([0, 5, bad]))
        for call in (OPS[name][0], WAYS[name]["fused"]):
            call(x, good)
            with pytest.raises(IndexError, match=words):
                call(x, wrong)


@pytest.mark.parametrize("name", OPS)
def test_nothing_is_checked_where_that_is_off(name: str) -> None:
    """The control: what is seen above is the checks' doing."""
    x, wrong = placed("cpu", X, np.array([0, ROWS, 2]))
    with accel.config(check="off"):
        for call in WAYS[name].values():
            call(x, wrong)
    with pytest.raises(IndexError):
        WAYS[name]["fused"](x, wrong)


@pytest.fixture(params=DEVICES[1:3])
def behind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[accel.Device]:
    """A device with a queue of its own, which is not waited for."""
    try:
        found = accel.device(request.param)
    except accel.AccelError as error:
        pytest.skip(str(error))
    assert not found.asynchronous and not found.host
    monkeypatch.setattr(type(found), "asynchronous", True)
    found.settle()
    dispatch.forget()  # plans know whether the host looks at arrays where they lie
    with accel.config(device=request.param):
        yield found
    found.settle()
    dispatch.forget()


@pytest.mark.parametrize("name", SOME)
def test_a_device_that_works_behind_the_host_says_so_when_it_is_waited_for(name: str, behind: accel.Device) -> None:
    function, _, words = OPS[name]
    x, good, wrong = placed(str(behind), X, np.array([0, 5, 2]), np.array([0, ROWS, 2]))
    for call in (function, WAYS[name]["fused"]):
        for wait in (
            accel.synchronize,
            lambda: accel.synchronize(behind),
            lambda: x[0, 0].item(),
            lambda: np.asarray(x.to_device("cpu")),
        ):
            call(x, good)
            wait()  # the control
            call(x, wrong)  # raises nothing
            with pytest.raises(IndexError, match=words):
                wait()
            wait()  # said once
        with accel.config(check="sync"):
            call(x, good)
            with pytest.raises(IndexError, match=words):
                call(x, wrong)
        with accel.config(check="off"):
            call(x, wrong)
        accel.synchronize()


def test_the_oldest_of_several_errors_is_raised_and_looks_are_bounded(behind: accel.Device) -> None:
    x, good, wrong, other = placed(str(behind), X, np.array([0]), np.array([7]), np.array([9]))
    for index in (good, wrong, other):
        accel.take(x, index, axis=0)
    with pytest.raises(IndexError, match=f"take: indices: 7 is out of range for an axis of length {ROWS}"):
        accel.synchronize()
    accel.synchronize()
    accel.take(x, wrong, axis=0)
    with pytest.raises(IndexError, match=": 7 is out of range"):
        for _ in range(memory.LOOKS):
            accel.take(x, good, axis=0)
    accel.synchronize()


def test_bad_writes_are_dropped_there(behind: accel.Device) -> None:
    zeros = np.zeros((3, 5, 2), np.float32)
    x, wrong, cache, new, starts = placed(
        str(behind), np.zeros(4), np.array([1, 9, -5, 3]), zeros, zeros[:, :2] + 1, np.array([-1, 4, 2])
    )
    x[wrong] = 5.0
    with pytest.raises(IndexError, match="index: array 0: -5 is out"):
        accel.synchronize()
    assert x.tolist() == [0.0, 5.0, 0.0, 5.0]
    nn.cache_update(cache, new, starts)
    with pytest.raises(IndexError, match="cache_update: position: -1 is out of range for 2 new places along an axis"):
        accel.synchronize()
    want = zeros.copy()
    want[2, 2:4] = 1
    assert (np.asarray(cache.to_device("cpu")) == want).all()


def test_nothing_is_written_where_the_host_has_the_indices() -> None:
    x = accel.zeros(4, device="cpu")
    cache, new = accel.zeros((2, 5, 2), device="cpu"), accel.ones((2, 2, 2), device="cpu")
    with pytest.raises(IndexError):
        x[np.array([1, 9])] = 5.0
    with pytest.raises(IndexError, match="cache_update: position: 4 is out of range"):
        nn.cache_update(cache, new, np.array([0, 4]))
    assert not accel.any(x) and not accel.any(cache)


def test_what_offsets_and_counts_say_in_a_fused_function() -> None:
    bag = accel.fuse(lambda i, w, o: nn.embedding_bag(i, w, o))
    i = np.array([0, 1, 2, 3])
    bag(i, X, np.array([0, 2, 4]))
    for offsets, words in (([1, 2], "the first is 1"), ([0, 5], "found 5"), ([0, 3, 2], "before by -1")):
        with pytest.raises(IndexError, match=f"embedding_bag: offsets: expected .* from 0 to 4; .*{words}"):
            bag(i, X, np.array(offsets))
    put = accel.fuse(lambda x, m, s: accel.masked_scatter(x, m, s))
    put(X, X > 15, X[0])
    with pytest.raises(IndexError, match=r"masked_scatter: source: 4 elements are chosen; expected as many, got shape"):
        put(X, X > 14, X[0])


def test_a_checkpoint_within_a_derivative_is_checked() -> None:
    looked_up = accel.checkpoint(lambda x, i: accel.take(x, i, axis=0) ** 2)
    slope = accel.grad(lambda x, i: accel.sum(looked_up(x, i)))
    assert (slope(X, np.array([1]))[1] == 2 * X[1]).all()
    for call in (looked_up, slope):
        with pytest.raises(IndexError, match="take: indices: 6 is out of range"):
            call(X, np.array([6]))


def test_a_result_that_nobody_asked_for_is_checked_too() -> None:
    def f(x: Any, i: Any) -> Any:
        accel.take(x, i, axis=0)
        return x + 1.0

    for call in (f, accel.fuse(f)):
        assert (call(accel.asarray(X, device="cpu"), accel.asarray([5], device="cpu")) == X + 1).all()
        with pytest.raises(IndexError, match="6 is out of range"):
            call(accel.asarray(X, device="cpu"), accel.asarray([6], device="cpu"))


@pytest.mark.parametrize("name", ["take", "embedding", "segment_sum", "index_add"])
def test_torch_functions(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    import accel.torch

    call = accel.torch.function(OPS[name][0])
    x = torch.from_numpy(X).requires_grad_()
    call(x, torch.tensor([0, 5])).sum().backward()
    with accel.config(device="cpu"), pytest.raises(IndexError, match=OPS[name][2]):
        call(x, torch.tensor([0, ROWS]))


@pytest.mark.parametrize("name", (*DEVICES, "triton:emulated-sm_90"))
def test_what_a_device_finds_of_positions(name: str) -> None:
    """Also where the host reads the memory, and never asks: kernels of GPUs run there."""
    try:
        accel.device(name)
    except accel.AccelError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(3)
    for n, least in ((1, 0), (7, -5), (70, -5)):
        good = rng.integers(least, 5, n)
        for bad in (None, 5, least - 1, 2**63 - 1, -(2**63)):
            its = good.copy()
            if bad is not None:
                its[n // 2] = bad
            (x,) = placed(name, its)
            far = dispatch.call(gather.FARTHEST, (x,), least)
            assert int(to_numpy(far)) == int((its - least).view(np.uint64).max())
            check = Check(least, 5, "", "")
            if bad is None:
                check.look(far)
            else:
                with pytest.raises(IndexError, match=f"^{bad}$"):
                    check.look(far)


def test_a_look_is_one_launch() -> None:
    null = accel.device("null:0")
    x, i = accel.zeros((4, 3), device=null), accel.zeros(3, dtype="int64", device=null)
    fused = accel.fuse(lambda x, i: nn.embedding(i, x))
    for call in (lambda: accel.take(x, i, axis=0), lambda: fused(x, i)):
        before = len(null.launches)
        call()
        ops = sorted(each.op for each in null.launches[before:])
        assert ops == ["gather", "row"]
    with accel.config(check="off"):
        before = len(null.launches)
        fused(x, i)
        assert [each.op for each in null.launches[before:]] == ["gather"]


def test_lists_are_looked_at_before_they_go_to_a_device() -> None:
    """A device that runs behind the host is not asked: nothing is launched, and nothing written."""
    null = accel.device("null:0")
    x = accel.zeros((4, 3), device=null)
    for key, bad in (([1, 9], 9), ((slice(None), [-4]), -4), ((..., [0, 3]), 3), (([[0], [4]], [0, 1]), 4)):
        length = 4 if bad in (9, 4) else 3
        words = rf"^index: array 0: {bad} is out of range for an axis of length {length}$"
        before = len(null.launches)
        with pytest.raises(IndexError, match=words):
            x[key]
        with pytest.raises(IndexError, match=words):
            x[key] = 1.0
        assert len(null.launches) == before
    assert x[[-4, 3], [2, -3]].shape == (2,)
    with accel.config(check="off"):
        assert x[[9]].shape == (1, 3)
