"""cross_entropy and nll_loss: torch in float64 as a second reference, special values, indices that are no class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import registry
from accel.nn import cross_entropy, nll_loss
from accel.testing.compare import differing

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

SHAPES = [(5,), (7, 5), (3, 5, 4), (2, 5, 3, 2), (0, 5), (1, 1), (3, 4, 0)]
REDUCTIONS = ("none", "mean", "sum")


def tensor(x: np.ndarray | None) -> Any:
    return None if x is None else torch.tensor(x)


def case(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logits, class indices of which some are ignored, probabilities, weights."""
    rng = np.random.default_rng(seed)
    axis = min(1, len(shape) - 1)
    rows = (*shape[:axis], *shape[axis + 1 :])
    target = np.asarray(np.where(rng.random(rows) < 0.2, -100, rng.integers(0, shape[axis], rows)))
    return 3 * rng.standard_normal(shape), target, rng.random(shape), rng.random(shape[axis]) + 0.1


def close(got: Any, want: Any) -> None:
    np.testing.assert_allclose(got, np.asarray(want), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_torch_agrees_in_float64(shape: tuple[int, ...], weighted: bool, reduction: str) -> None:
    x, target, share, weight = case(shape)
    w = weight if weighted else None
    peer = torch.nn.functional
    for smoothing in (0.0, 0.1, 1.0):
        for t in (target, share):
            got = cross_entropy(x, t, w, reduction=reduction, label_smoothing=smoothing)
            want = peer.cross_entropy(tensor(x), tensor(t), tensor(w), reduction=reduction, label_smoothing=smoothing)
            close(got, want)
    close(
        nll_loss(x, target, w, reduction=reduction),
        peer.nll_loss(tensor(x), tensor(target), tensor(w), reduction=reduction),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_z_loss_is_what_its_formula_says(reduction: str, weighted: bool) -> None:
    x, target, share, weight = case((6, 5, 3), seed=1)
    w = weight if weighted else None
    squares = torch.logsumexp(tensor(x), 1).numpy() ** 2
    counts = target != -100
    kept = np.where(counts, squares, 0)
    added = {"none": kept, "sum": kept.sum(), "mean": squares[counts].mean()}[reduction]
    plain = cross_entropy(x, target, w, reduction=reduction, label_smoothing=0.1)
    close(cross_entropy(x, target, w, reduction=reduction, label_smoothing=0.1, z_loss=0.3), plain + 0.3 * added)
    every = {"none": squares, "sum": squares.sum(), "mean": squares.mean()}[reduction]
    plain = cross_entropy(x, share, w, reduction=reduction)
    close(cross_entropy(x, share, w, reduction=reduction, z_loss=0.3), plain + 0.3 * every)


def test_special_logits() -> None:
    inf, nan = np.inf, np.nan
    x = np.array([[0, -inf, 1], [0, -inf, 1], [-inf] * 3, [0, inf, 1], [0, nan, 1], [1e300, -1e300, 0], [800, 799, 0]])
    target = np.array([0, 1, 0, 1, 0, 1, 1])
    peer = torch.nn.functional.cross_entropy(tensor(x), tensor(target), reduction="none")
    got = cross_entropy(x, target, reduction="none")
    close(got, peer)
    assert [np.isnan(v) for v in got] == [False, False, True, True, True, False, False]
    assert got[1] == inf and got[0] == pytest.approx(np.log1p(np.e))
    smooth = cross_entropy(x, target, reduction="none", label_smoothing=0.1)
    close(smooth, torch.nn.functional.cross_entropy(tensor(x), tensor(target), reduction="none", label_smoothing=0.1))


def test_every_row_ignored() -> None:
    x, target = np.ones((3, 5), np.float32), np.full(3, 2)
    for function in (cross_entropy, nll_loss):
        assert np.isnan(function(x, target, ignore_index=2))
        assert function(x, target, ignore_index=2, reduction="sum") == 0
        assert (function(x, target, ignore_index=2, reduction="none") == 0).all()
    smooth = cross_entropy(x, target, ignore_index=2, reduction="sum", label_smoothing=0.5, z_loss=1.0)
    assert smooth == 0


def test_an_ignored_row_may_hold_anything() -> None:
    x, target, _, weight = case((6, 5), seed=2)
    target[:] = [-100, 3, 4, 0, -100, 1]
    dirty = x.copy()
    dirty[[0, 4]] = [[np.nan], [np.inf]]
    for reduction in REDUCTIONS:
        keywords = {"reduction": reduction, "label_smoothing": 0.1, "z_loss": 0.1}
        clean = cross_entropy(x, target, weight, **keywords)
        assert not differing(np.asarray(cross_entropy(dirty, target, weight, **keywords)), np.asarray(clean)).any()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("function", [cross_entropy, nll_loss])
def test_an_index_that_is_no_class_is_an_error(function: Any, reduction: str) -> None:
    x = np.zeros((4, 5), np.float32)
    for target, count in (([0, 5, 1, 2], 1), ([-1, 5, 1, 2**40], 3), ([0, -(2**63), 2**63 - 1, -100], 2)):
        message = rf"{function.__name__}: target: expected class indices from 0 to 4, .*-100; {count} of 4 are neither"
        with pytest.raises(IndexError, match=message):
            function(x, np.array(target), reduction=reduction)
    function(x, np.array([0, 4, 1, -100]), reduction=reduction)  # the control
    with pytest.raises(IndexError, match="2 of 3"):
        function(np.zeros((1, 5, 3)), np.array([[7, -100, -1]]), reduction=reduction)
    with pytest.raises(IndexError, match="1 of 1"):
        function(np.zeros(5), np.array(5), reduction=reduction)


def test_an_index_that_is_no_class_is_seen_in_the_loss_as_well() -> None:
    x, target = accel.asarray(np.zeros((3, 4), np.float32)), accel.asarray(np.array([3, 4, -100]))
    for name in ("cross_entropy", "nll_loss"):
        op = registry.OPS[name].function
        losses, outside = op(x, target, reduction="none")
        assert np.isnan(np.asarray(losses)).tolist() == [False, True, False] and int(outside) == 1
        assert all(np.isnan(float(op(x, target, reduction=each)[0])) for each in ("mean", "sum"))


def test_any_dtype_of_indices() -> None:
    x, target, _, _ = case((6, 5), seed=3)
    target = np.where(target < 0, 1, target)
    want = cross_entropy(x, target)
    for dtype in ("int8", "int16", "int32", "uint8", "uint16", "uint32"):
        assert cross_entropy(x, target.astype(dtype)) == want
    for dtype, message in (("uint64", "target: .*int64"), ("bool", "target: .*integer")):
        with pytest.raises(accel.DtypeError, match=message):
            cross_entropy(x, target.astype(dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_16_bits_are_computed_in_float32_and_rounded_once(dtype: str, reduction: str) -> None:
    x, target, share, weight = case((40, 33), seed=4)
    x, share, weight = (accel.astype(accel.asarray(each), dtype) for each in (x, share, weight))
    wide = [accel.astype(each, "float32") for each in (x, share, weight)]
    target = accel.asarray(target)
    keywords = {"reduction": reduction, "label_smoothing": 0.1, "z_loss": 0.01}
    for of, of_wide in ((target, target), (share, wide[1])):
        got = cross_entropy(x, of, weight, **keywords)
        want = cross_entropy(wide[0], of_wide, wide[2], **keywords)
        assert got.dtype.name == dtype and want.dtype.name == "float32"
        assert not differing(np.asarray(got), np.asarray(accel.astype(want, dtype))).any()
    narrow = accel.log(accel.nn.softmax(x, axis=1))  # the control: a result that was rounded on the way
    rounded = np.asarray(nll_loss(narrow, target, reduction="none"))
    assert differing(rounded, np.asarray(cross_entropy(x, target, reduction="none"))).any()


def test_a_row_does_not_depend_on_what_stands_beside_it() -> None:
    rng = np.random.default_rng(5)
    x, target = rng.standard_normal((9, 4097)).astype(np.float32), rng.integers(0, 4097, 9)
    every = cross_entropy(x, target, reduction="none", label_smoothing=0.1)
    alone = [cross_entropy(row, t, reduction="none", label_smoothing=0.1) for row, t in zip(x, target, strict=True)]
    assert every.tolist() == [float(each) for each in alone]
    last = cross_entropy(np.ascontiguousarray(x.T)[None], target[None], reduction="none", label_smoothing=0.1)
    assert every.tolist() == last[0].tolist()  # the classes on a strided axis


def test_like_in_like_out() -> None:
    x, target, _, _ = case((6, 5), seed=6)
    want = cross_entropy(x, target)
    assert isinstance(want, np.ndarray)
    tensors = cross_entropy(tensor(x), tensor(target))
    assert isinstance(tensors, torch.Tensor) and tensors.shape == () and float(tensors) == float(want)
    own = cross_entropy(accel.asarray(x), target)
    assert isinstance(own, accel.Array) and float(own) == float(want)


def test_inside_a_fused_function_the_error_is_the_same() -> None:
    x, target, _, _ = case((6, 5), seed=7)
    step = accel.fuse(lambda a, t: 2.0 * cross_entropy(a, t, z_loss=0.1))
    with accel.config(fusion="on"):
        assert step(x, target) == 2 * cross_entropy(x, target, z_loss=0.1)
        with pytest.raises(
            IndexError, match=r"cross_entropy: target: expected class indices from 0 to 4, .* 6 of 6 are"
        ):
            step(x, np.full(6, 5))
    with accel.config(fusion="on", check="off"):
        assert np.isnan(step(x, np.full(6, 5))), "the control"


X = np.zeros((4, 5), np.float32)
T = np.zeros(4, np.int64)
WRONG: list[tuple[Any, str, tuple[Any, ...], dict[str, Any], str]] = [
    (accel.ShapeError, "cross_entropy", (X, T[:3]), {}, r"target: .*\(4,\), got \(3,\)"),
    (accel.ShapeError, "cross_entropy", (X, X.T), {}, r"target: .*\(4, 5\), got \(5, 4\)"),
    (accel.ShapeError, "cross_entropy", (X[:, :0], T), {}, "input: .*at least one class"),
    (accel.ShapeError, "cross_entropy", (X[0, 0].reshape(()), T), {}, "input: "),
    (accel.ShapeError, "cross_entropy", (X, T, np.zeros(4, np.float32)), {}, r"weight: .*\(5,\), got \(4,\)"),
    (accel.ShapeError, "cross_entropy", (X, X, np.zeros(4, np.float32)), {}, r"weight: .*\(5,\), got \(4,\)"),
    (accel.DtypeError, "cross_entropy", (T.reshape(2, 2), T[:2]), {}, "input: .*floating"),
    (accel.DtypeError, "cross_entropy", (X, T, np.zeros(5, np.int64)), {}, "weight: .*floating"),
    (accel.ArgumentError, "cross_entropy", (X, T), {"reduction": "average"}, "reduction: .*'average'"),
    (accel.ArgumentError, "cross_entropy", (X, T), {"reduction": None}, "reduction: .*None"),
    (accel.ArgumentError, "cross_entropy", (X, T), {"label_smoothing": 1.5}, "label_smoothing: .*at most 1, got 1.5"),
    (accel.ArgumentError, "cross_entropy", (X, T), {"label_smoothing": float("nan")}, "label_smoothing: .*nan"),
    (accel.ArgumentError, "cross_entropy", (X, T), {"label_smoothing": "0.1"}, "label_smoothing: "),
    (accel.ArgumentError, "cross_entropy", (X, T), {"z_loss": -1.0}, "z_loss: .*at least 0, got -1.0"),
    (accel.ArgumentError, "cross_entropy", (X, T), {"ignore_index": 1.5}, "ignore_index: .*integer, got 1.5"),
    (accel.ArgumentError, "cross_entropy", (X, X), {"ignore_index": 1}, "ignore_index: .*probabilities"),
    (accel.ArgumentError, "cross_entropy", (X, [0, 1, 2, 3]), {}, "target: .*list"),
    (accel.ArgumentError, "cross_entropy", (X, 3), {}, "target: "),
    (accel.ShapeError, "nll_loss", (X, T[:3]), {}, r"target: .*\(4,\), got \(3,\)"),
    (accel.DtypeError, "nll_loss", (X, X[:, 0]), {}, "target: .*integer"),
    (accel.ArgumentError, "nll_loss", (X, T), {"reduction": "batchmean"}, "reduction: "),
]


@pytest.mark.parametrize(("error", "name", "operands", "keywords", "message"), WRONG)
def test_bad_input(error: Any, name: str, operands: tuple[Any, ...], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(error, match=f"^{name}: {message}"):
        getattr(accel.nn, name)(*operands, **keywords)
