"""layer_norm and its like: one kernel each, residuals, memory layouts, numbers of elements, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import accel
from accel import composition, dispatch
from accel.graph.group import groups
from accel.registry import OPS

nn = accel.nn


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> accel.Array:
    return accel.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape), dtype=dtype, device="cpu")


def same(a: Any, b: Any) -> bool:
    """Equal bits but for NaNs."""
    x, y = (np.asarray(accel.astype(v, "float64")) for v in (a, b))
    return a.dtype is b.dtype and x.shape == y.shape and bool(((x == y) | (np.isnan(x) & np.isnan(y))).all())


# one group, one launch


def shown(function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of the groups of the composed op that a function calls."""
    found = []
    graph_of = composition.graph_of

    def seen(*rest: Any) -> Any:
        found.append(graph_of(*rest))
        return found[-1]

    dispatch.forget()
    monkeypatch.setattr(composition, "graph_of", seen)
    function()
    return [group.kind for group in groups(found[0])]


ROWS: dict[str, Callable[[str], Any]] = {
    "layer_norm": lambda d: nn.layer_norm(
        normal(4, 5, 7, dtype=d),
        (5, 7),
        normal(5, 7, dtype=d),
        normal(5, 7, dtype=d),
        residual=normal(4, 5, 7, dtype=d),
    ),
    "rms_norm": lambda d: nn.rms_norm(normal(9, 70, dtype=d), 70, normal(70, dtype=d), residual=normal(9, 70, dtype=d)),
    "group_norm": lambda d: nn.group_norm(
        normal(2, 6, 5, 3, dtype=d), 3, normal(6, dtype=d), normal(6, dtype=d), residual=normal(2, 6, 5, 3, dtype=d)
    ),
    "batch_norm": lambda d: nn.batch_norm_training(
        normal(4, 6, 5, 3, dtype=d), *(normal(6, dtype=d) for _ in range(4)), residual=normal(4, 6, 5, 3, dtype=d)
    ),
    "instance_norm": lambda d: nn.instance_norm_training(normal(4, 6, 5, 3, dtype=d), None, None, normal(6, dtype=d)),
    "normalize": lambda d: nn.normalize(normal(4, 70, dtype=d)),
    "normalize 3": lambda d: nn.normalize(normal(4, 70, dtype=d), 3.0),
    "cosine_similarity": lambda d: nn.cosine_similarity(normal(4, 1, 9, dtype=d), normal(1, 3, 9, dtype=d), axis=-1),
    "var": lambda d: accel.var(normal(4, 6, 5, dtype=d), axis=(0, 2)),
    "var_mean": lambda d: accel.var_mean(normal(4, 6, 5, dtype=d), 1),
    "std": lambda d: accel.std(normal(4, 6, 5, dtype=d)),
    "vector_norm": lambda d: accel.linalg.vector_norm(normal(4, 6, 5, dtype=d), axis=1),
    "vector_norm 0": lambda d: accel.linalg.vector_norm(normal(4, 6, 5, dtype=d), axis=1, ord=0),
    "softmin": lambda d: nn.softmin(normal(4, 6, dtype=d)),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ROWS)
def test_each_is_one_group_of_rows(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(lambda: ROWS[name](dtype), monkeypatch) == ["row"]


def test_two_fold_domains_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its control: means over the samples of each sample's means."""
    x, running = normal(4, 6, 5, 3), normal(6)
    kinds = shown(lambda: nn.instance_norm_training(x, running, running), monkeypatch)
    assert len(kinds) > 1 and kinds[0] == "row"


# residuals

RESIDUALS: dict[str, Callable[..., Any]] = {
    "layer_norm": lambda x, **k: nn.layer_norm(x, x.shape[2:], **k),
    "rms_norm": lambda x, **k: nn.rms_norm(x, x.shape[1:], **k),
    "group_norm": lambda x, **k: nn.group_norm(x, 2, **k),
    "batch_norm": lambda x, **k: nn.batch_norm_training(x, **k),
    "instance_norm": lambda x, **k: nn.instance_norm_training(x, **k),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_a_residual_is_added_first_and_the_sum_returned(name: str) -> None:
    x, residual = normal(3, 4, 70), normal(3, 4, 70, seed=1)
    y, total = RESIDUALS[name](x, residual=residual)
    assert same(total, x + residual) and same(y, RESIDUALS[name](x + residual))


@pytest.mark.parametrize("name", RESIDUALS)
def test_the_sum_of_16_bit_floats_is_normalized_unrounded(name: str) -> None:
    x, residual = (normal(3, 4, 70, dtype="bfloat16", seed=i) for i in range(2))
    y, total = RESIDUALS[name](x, residual=residual)
    wide = accel.astype(x, "float32") + accel.astype(residual, "float32")
    assert same(total, x + residual)
    assert same(y, accel.astype(RESIDUALS[name](wide), "bfloat16")) and not same(y, RESIDUALS[name](x + residual))


@pytest.mark.parametrize("name", RESIDUALS)
def test_a_residual_of_another_shape_is_refused(name: str) -> None:
    with pytest.raises(accel.ShapeError, match=rf"{name}.*: residual: expected x's shape \(3, 4, 70\), got \(4, 70\)"):
        RESIDUALS[name](normal(3, 4, 70), residual=normal(4, 70))


# bits


def plain(x: accel.Array) -> accel.Array:
    return accel.asarray(np.ascontiguousarray(np.asarray(x)))


@pytest.mark.parametrize("name", RESIDUALS)
def test_the_memory_layout_changes_no_bit(name: str) -> None:
    wide = normal(8, 140, 7)
    for x in (
        accel.permute_dims(normal(70, 4, 3), (2, 1, 0)),
        accel.permute_dims(normal(3, 70, 4), (0, 2, 1)),
        wide[1:7:2, ::-2, 1:5].view((3, 70, 4), wide[1:7:2, ::-2, 1:5].strides),
        accel.broadcast_to(normal(3, 1, 70), (3, 4, 70)),
    ):
        assert not x.layout.contiguous
        assert same(RESIDUALS[name](x), RESIDUALS[name](plain(x)))


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "group_norm", "instance_norm"])
def test_a_sample_is_the_same_whatever_stands_beside_it(name: str) -> None:
    x = normal(5, 4, 4100)
    assert same(RESIDUALS[name](x)[2:3], RESIDUALS[name](x[2:3]))


def test_the_batch_counts_for_batch_norm() -> None:
    """Its control."""
    x = normal(5, 4, 4100)
    assert not same(nn.batch_norm_training(x)[2:3], nn.batch_norm_training(x[2:3]))


def test_a_mean_far_from_zero_costs_no_digits_of_the_variance() -> None:
    """Two passes: of one pass over squares, float32 would keep nothing at all."""
    x = normal(3, 1000) + 4096.0
    exact = np.asarray(x, np.float64).var(axis=1)
    assert (np.abs(np.asarray(accel.var(x, axis=1)) / exact - 1) < 1e-6).all()
    one_pass = accel.mean(x * x, axis=1) - accel.mean(x, axis=1) ** 2
    assert not (np.abs(np.asarray(one_pass) / exact - 1) < 1e-1).all()


# elements


def test_rows_without_elements_and_with_one() -> None:
    assert nn.layer_norm(accel.zeros((3, 0)), 0).shape == (3, 0)
    assert nn.rms_norm(accel.zeros((0, 4)), 4).shape == (0, 4)
    assert nn.group_norm(accel.zeros((2, 0, 5)), 3).shape == (2, 0, 5)
    assert nn.batch_norm_training(accel.zeros((0, 3, 5))).shape == (0, 3, 5)
    assert (np.asarray(nn.layer_norm(normal(5, 1), 1)) == 0).all()
    assert nn.normalize(accel.zeros((3, 0))).shape == (3, 0)
    assert (np.asarray(nn.cosine_similarity(accel.zeros((3, 0)), accel.zeros((3, 0)))) == 0).all()


def test_a_variance_that_epsilon_takes_below_zero_gives_nan() -> None:
    """As in torch, which does not look at its sign either."""
    x = accel.asarray([[1.0, -1.0], [2.0, 2.0]])
    y = np.asarray(nn.layer_norm(x, 2, eps=-0.5))
    assert np.allclose(y[0], [2**0.5, -(2**0.5)]) and np.isnan(y[1]).all()


def test_the_epsilon_of_rms_norm_is_that_of_the_dtype_that_is_computed_in() -> None:
    for dtype, epsilon in (("float16", 2.0**-23), ("bfloat16", 2.0**-23), ("float32", 2.0**-23), ("float64", 2.0**-52)):
        x = accel.full((1, 4), 2.0**-12, dtype=dtype)
        assert same(nn.rms_norm(x, 4), nn.rms_norm(x, 4, eps=epsilon))
        assert not same(nn.rms_norm(x, 4), nn.rms_norm(x, 4, eps=2 * epsilon))


def test_operands_of_several_dtypes_promote() -> None:
    x, weight = normal(3, 70, dtype="bfloat16"), normal(70)
    y = nn.layer_norm(x, 70, weight)
    assert y.dtype is accel.float32 and same(y, nn.layer_norm(accel.astype(x, "float32"), 70, weight))
    image = normal(2, 6, 5, dtype="bfloat16")
    y = nn.group_norm(image, 2, normal(6))
    assert y.dtype is accel.float32 and same(y, nn.group_norm(accel.astype(image, "float32"), 2, normal(6)))


# errors

X = normal(3, 4, 70)
WRONG: dict[str, tuple[type[Exception], Callable[[], Any]]] = {
    "layer_norm: normalized_shape: x of shape (3, 4, 70) does not end in (4,)": (
        accel.ShapeError,
        lambda: nn.layer_norm(X, 4),
    ),
    "layer_norm: normalized_shape: expected at least one length": (accel.ArgumentError, lambda: nn.layer_norm(X, ())),
    "layer_norm: weight: expected the shape of normalized_shape (70,), got (4, 70)": (
        accel.ShapeError,
        lambda: nn.layer_norm(X, 70, normal(4, 70)),
    ),
    "layer_norm: bias: expected the shape of normalized_shape (4, 70), got (70,)": (
        accel.ShapeError,
        lambda: nn.layer_norm(X, (4, 70), None, normal(70)),
    ),
    "layer_norm: eps: expected a number, got 'small'": (accel.ArgumentError, lambda: nn.layer_norm(X, 70, eps="small")),
    "layer_norm: eps: expected a number, got True": (accel.ArgumentError, lambda: nn.layer_norm(X, 70, eps=True)),
    "layer_norm: x: takes floating dtypes, got int64": (
        accel.DtypeError,
        lambda: nn.layer_norm(accel.ones(4, dtype="int64"), 4),
    ),
    "rms_norm: weight: takes floating dtypes, got bool": (
        accel.DtypeError,
        lambda: nn.rms_norm(X, 70, accel.ones(70, dtype="bool")),
    ),
    "group_norm: num_groups: 4 channels are not cut into 3 equal parts": (
        accel.ShapeError,
        lambda: nn.group_norm(X, 3),
    ),
    "group_norm: num_groups: 4 channels are not cut into 0 equal parts": (
        accel.ShapeError,
        lambda: nn.group_norm(X, 0),
    ),
    "group_norm: num_groups: expected an integer, got 2.0": (accel.ArgumentError, lambda: nn.group_norm(X, 2.0)),
    "group_norm: x: expected (n, channels, …), got shape (70,)": (
        accel.ShapeError,
        lambda: nn.group_norm(normal(70), 2),
    ),
    "group_norm: bias: expected a number for each channel, shape (4,), got (1, 4)": (
        accel.ShapeError,
        lambda: nn.group_norm(X, 2, None, normal(1, 4)),
    ),
    "batch_norm_training: momentum: expected a number, got None": (
        accel.ArgumentError,
        lambda: nn.batch_norm_training(X, momentum=None),
    ),
    "batch_norm_training: x: one number for each channel has no variance: shape (1, 4)": (
        accel.ShapeError,
        lambda: nn.batch_norm_training(X[0, :, :1].mT),
    ),
    "instance_norm_training: x: one number for each channel has no variance: shape (3, 4)": (
        accel.ShapeError,
        lambda: nn.instance_norm_training(X[..., 0]),
    ),
    "batch_norm: training: expected True or False, got 'yes'": (
        accel.ArgumentError,
        lambda: nn.batch_norm(X, normal(4), normal(4), training="yes"),
    ),
    "normalize: axis: 3 is out of range": (accel.AxisError, lambda: nn.normalize(X, axis=3)),
    "normalize: p: expected a number or an infinity, got nan": (
        accel.ArgumentError,
        lambda: nn.normalize(X, float("nan")),
    ),
    "normalize: x: shape (3, 0) has nothing along axes (1,), of which there is no norm inf": (
        accel.ShapeError,
        lambda: nn.normalize(accel.zeros((3, 0)), float("inf")),
    ),
    "cosine_similarity: axis: expected an integer, got (0, 1)": (
        accel.ArgumentError,
        lambda: nn.cosine_similarity(X, X, (0, 1)),
    ),
    "cosine_similarity: x1, x2": (accel.ShapeError, lambda: nn.cosine_similarity(X, normal(3, 5, 70))),
    "var: correction: expected a number, got '1'": (accel.ArgumentError, lambda: accel.var(X, correction="1")),
    "std: keepdims: expected True or False, got 2": (accel.ArgumentError, lambda: accel.std(X, keepdims=2)),
    "var_mean: axis: (0, 0) names an axis twice": (accel.AxisError, lambda: accel.var_mean(X, (0, 0))),
    "std: x: takes floating dtypes, got int32": (accel.DtypeError, lambda: accel.std(accel.ones(4, dtype="int32"))),
    "vector_norm: ord: expected a number, got 'fro'": (
        accel.ArgumentError,
        lambda: accel.linalg.vector_norm(X, ord="fro"),
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_argument_is_named(message: str) -> None:
    kind, call = WRONG[message]
    with pytest.raises(kind) as caught:
        call()
    assert message in str(caught.value)


def test_specs_are_there_for_all() -> None:
    for name in ("layer_norm", "rms_norm", "group_norm", "batch_norm_training", "batch_norm_inference"):
        assert OPS[name].namespace == "nn" and OPS[name].decompose is not None


def test_rows_of_computed_elements_on_every_backend(target: Any) -> None:
    """Elements that are computed, not read, before the first fold, and needed again after it."""
    x = np.arange(1.0, 6.0, dtype=np.float32)[None, :]
    with target.in_force() as device:
        got = nn.softmin(accel.asarray(x, device=device)).to_device("cpu")
    assert (np.asarray(got) == OPS["softmin"].canonical(x)).all()
