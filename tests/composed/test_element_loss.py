"""Losses whose operands have one shape: torch in float64 as a second reference, special values, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import nn
from accel.testing.compare import differing

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

REDUCTIONS = ("none", "mean", "sum")
RNG = np.random.default_rng(0)
X, Y = 3 * RNG.standard_normal((2, 6, 7))
W = RNG.random((6, 7)) + 0.1
P, Q = 1 / (1 + np.exp(-X)), 1 / (1 + np.exp(-Y))
S = np.where(RNG.random((6, 7)) < 0.5, 1.0, -1.0)
ZERO_ONE = np.resize([0.0, 1.0, 0.5], (6, 7))

Case = tuple[str, tuple[np.ndarray, ...], dict[str, Any]]
CASES: list[Case] = [
    *((name, (X, Y), {}) for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")),
    *((name, (X, Y), {"weight": W}) for name in ("mse_loss", "l1_loss", "huber_loss")),
    *(("smooth_l1_loss", (X, Y), {"beta": beta}) for beta in (0.0, 0.3, 5.0)),
    *(("huber_loss", (X, Y), {"delta": delta}) for delta in (0.3, 5.0)),
    ("poisson_nll_loss", (X, np.abs(Y)), {}),
    ("poisson_nll_loss", (X, np.round(np.abs(Y))), {"full": True}),
    ("poisson_nll_loss", (np.abs(X), np.abs(Y)), {"log_input": False, "full": True, "eps": 1e-3}),
    ("gaussian_nll_loss", (X, Y, W), {}),
    ("gaussian_nll_loss", (X, Y, W[:, :1]), {"full": True}),
    ("gaussian_nll_loss", (X, Y, W[:, 0]), {"eps": 0.5}),
    ("kl_div", (np.log(P), Q), {}),
    ("kl_div", (np.log(P), ZERO_ONE), {}),
    ("kl_div", (np.log(P), np.log(Q)), {"log_target": True}),
    ("binary_cross_entropy", (P, Q), {}),
    ("binary_cross_entropy", (ZERO_ONE, ZERO_ONE[::-1]), {}),
    ("binary_cross_entropy", (P, ZERO_ONE), {"weight": W}),
    ("binary_cross_entropy_with_logits", (X, Q), {}),
    ("binary_cross_entropy_with_logits", (X, ZERO_ONE), {"weight": W, "pos_weight": W[0]}),
    ("soft_margin_loss", (X, S), {}),
    *(("hinge_embedding_loss", (X, t), {"margin": m}) for t in (S, ZERO_ONE) for m in (1.0, 0.3)),
    *(("margin_ranking_loss", (X, Y, S), {"margin": m}) for m in (0.0, 0.3)),
]


def tensors(values: Any) -> Any:
    return [torch.tensor(x.copy()) if isinstance(x, np.ndarray) else x for x in values]


def peer(name: str, operands: tuple[np.ndarray, ...], keywords: dict[str, Any]) -> np.ndarray:
    with_tensors = dict(zip(keywords, tensors(keywords.values()), strict=True))
    return np.asarray(getattr(torch.nn.functional, name)(*tensors(operands), **with_tensors))


@pytest.mark.filterwarnings("ignore:reduction. 'mean'")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "operands", "keywords"), CASES)
def test_torch_agrees_in_float64(name: str, operands: Any, keywords: dict[str, Any], reduction: str) -> None:
    keywords = keywords | {"reduction": reduction}
    got = getattr(nn, name)(*operands, **keywords)
    np.testing.assert_allclose(got, peer(name, operands, keywords), rtol=1e-12, atol=1e-14)


def test_batchmean_divides_by_the_first_axis() -> None:
    operands = (np.log(P), Q)
    want = peer("kl_div", operands, {"reduction": "batchmean"})
    np.testing.assert_allclose(nn.kl_div(*operands, reduction="batchmean"), want, rtol=1e-13)
    assert nn.kl_div(np.log(P[0, 0]), Q[0, 0], reduction="batchmean") == nn.kl_div(np.log(P[0, 0]), Q[0, 0])


NUMBERS = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, 2, 1e-310, 700, -700, 1e300])
EVERY = (np.repeat(NUMBERS, len(NUMBERS)), np.tile(NUMBERS, len(NUMBERS)))
FINITE = tuple(np.where(np.isfinite(x), x, 3.0) for x in EVERY)
SIGNED = np.where(np.arange(EVERY[0].size) % 2, 1.0, -1.0)
SPECIAL: list[Case] = [
    *((name, EVERY, {}) for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss")),
    ("poisson_nll_loss", EVERY, {"log_input": False, "full": True}),
    ("gaussian_nll_loss", (*EVERY, np.abs(EVERY[0])), {}),
    ("kl_div", (EVERY[0], np.abs(FINITE[1])), {}),
    ("kl_div", EVERY, {"log_target": True}),
    ("binary_cross_entropy_with_logits", (FINITE[0], np.clip(FINITE[1], 0, 1)), {}),
    ("soft_margin_loss", (np.clip(EVERY[0], -700, 700), SIGNED), {}),
    ("hinge_embedding_loss", (EVERY[0], SIGNED), {}),
    ("margin_ranking_loss", (*EVERY, SIGNED), {"margin": 0.5}),
]


@pytest.mark.parametrize(("name", "operands", "keywords"), SPECIAL)
def test_special_values_are_torchs(name: str, operands: Any, keywords: dict[str, Any]) -> None:
    keywords = keywords | {"reduction": "none"}
    got, want = getattr(nn, name)(*operands, **keywords), peer(name, operands, keywords)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_where_torch_loses_what_there_is_to_know() -> None:
    """Infinite logits beside a target between 0 and 1, large margins and losses far below 1, in float32."""
    logits, target = np.array([np.inf, -np.inf], np.float32), np.array([0.5, 0.5], np.float32)
    assert np.isposinf(nn.binary_cross_entropy_with_logits(logits, target, reduction="none")).all()
    one, minus = np.ones(3, np.float32), np.array([-1e3, -1e38, -np.inf], np.float32)
    assert nn.soft_margin_loss(minus, one, reduction="none").tolist() == [1e3, float(np.float32(1e38)), np.inf]
    small = nn.binary_cross_entropy_with_logits(np.float32([-20, 20]), np.float32([0, 1]), reduction="none")
    np.testing.assert_allclose(small, np.log1p(np.exp(-20.0)), rtol=1e-6)
    huge = nn.smooth_l1_loss(np.float32([1e30]), np.float32([0]), beta=1e38)
    np.testing.assert_allclose(huge, 0.5e22, rtol=1e-6)


def test_what_is_no_probability_or_variance_is_nan() -> None:
    inside, outside = np.float32([0, 0.3, 1]), np.float32([-0.1, 1.1, np.nan])
    for target in (0.0, 0.5, 1.0):
        t = np.full(3, target, np.float32)
        assert np.isfinite(nn.binary_cross_entropy(inside, t, reduction="none")).all()
        assert np.isnan(nn.binary_cross_entropy(outside, t, reduction="none")).all()
    variances = np.float32([-1e-9, -1, 0, 1e-9])
    losses = nn.gaussian_nll_loss(inside[[0, 0, 0, 0]], inside[[1, 1, 1, 1]], variances, reduction="none")
    assert np.isnan(losses).tolist() == [True, True, False, False] and losses[2] == losses[3]


WHOLE = [case for case in CASES if all(x.shape == (6, 7) for x in (*case[1], *case[2].values()) if np.ndim(x))]


@pytest.mark.parametrize(("name", "operands", "keywords"), WHOLE)
def test_nothing_and_one_number(name: str, operands: Any, keywords: dict[str, Any]) -> None:
    function = getattr(nn, name)
    some = {n: x[:0] if isinstance(x, np.ndarray) else x for n, x in keywords.items()}
    nothing = [x[:0] for x in operands]
    assert function(*nothing, **some, reduction="none").shape == (0, 7)
    assert np.isnan(function(*nothing, **some)) and function(*nothing, **some, reduction="sum") == 0
    one = {n: np.asarray(x[0, 0]) if isinstance(x, np.ndarray) else x for n, x in keywords.items()}
    number = [np.asarray(x[0, 0]) for x in operands]
    every = function(*operands, **keywords, reduction="none")
    assert function(*number, **one, reduction="none") == every[0, 0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES}))
def test_16_bits_are_computed_in_float32_and_rounded_once(name: str, dtype: str) -> None:
    operands, keywords = next((o, k) for n, o, k in CASES if n == name)
    narrow = [accel.astype(accel.asarray(x), dtype) for x in operands]
    wide = [accel.astype(x, "float32") for x in narrow]
    function = getattr(nn, name)
    for reduction in REDUCTIONS:
        got = function(*narrow, **keywords, reduction=reduction)
        want = function(*wide, **keywords, reduction=reduction)
        assert got.dtype.name == dtype and want.dtype.name == "float32"
        assert not differing(np.asarray(got), np.asarray(accel.astype(want, dtype))).any()
    mixed = function(narrow[0], *wide[1:], **keywords, reduction="none")
    assert mixed.dtype.name == "float32"


def test_the_control_of_16_bits_differs() -> None:
    x, y = (accel.astype(accel.asarray(each), "float16") for each in (X, Y))
    distance = accel.subtract(x, y)  # rounded on the way
    assert differing(np.asarray(distance * distance), np.asarray(nn.mse_loss(x, y, reduction="none"))).any()


NARROW = np.zeros((3, 1), np.float32)
ONES = np.ones((3, 4), np.float32)
PAIRED = sorted({name for name, _, _ in CASES} - {"gaussian_nll_loss", "margin_ranking_loss"})
WRONG: list[tuple[Any, str, tuple[Any, ...], dict[str, Any], str]] = [
    *((accel.ShapeError, name, (ONES, NARROW), {}, r"target: .*\(3, 4\), got \(3, 1\)") for name in PAIRED),
    *((accel.DtypeError, name, (ONES, ONES.astype(int)), {}, "target: .*floating") for name in PAIRED),
    *((accel.ArgumentError, name, (ONES, ONES), {"reduction": "avg"}, "reduction: .*'avg'") for name in PAIRED),
    *((accel.ArgumentError, name, (ONES, [1.0]), {}, "target: .*list") for name in PAIRED),
    (accel.ShapeError, "gaussian_nll_loss", (ONES, ONES, ONES[:, :3]), {}, r"var: \(3, 3\) does not broadcast"),
    (accel.ShapeError, "gaussian_nll_loss", (ONES, NARROW, ONES), {}, "target: "),
    (accel.ShapeError, "margin_ranking_loss", (ONES, NARROW, ONES), {}, "input2: "),
    (accel.ShapeError, "margin_ranking_loss", (ONES, ONES, NARROW), {}, "target: "),
    (accel.ShapeError, "mse_loss", (ONES, ONES), {"weight": ONES[:2]}, r"weight: \(2, 4\) does not broadcast"),
    (accel.ShapeError, "mse_loss", (ONES, ONES), {"weight": np.ones((2, 3, 4), np.float32)}, "weight: "),
    (accel.ShapeError, "huber_loss", (ONES, ONES), {"weight": ONES[:2]}, "weight: "),
    (accel.ShapeError, "binary_cross_entropy", (ONES, ONES, ONES[:2]), {}, "weight: "),
    (accel.ShapeError, "binary_cross_entropy_with_logits", (ONES, ONES), {"pos_weight": ONES[:2]}, "pos_weight: "),
    (accel.ArgumentError, "smooth_l1_loss", (ONES, ONES), {"beta": -1.0}, "beta: .*at least 0, got -1.0"),
    (accel.ArgumentError, "huber_loss", (ONES, ONES), {"delta": 0.0}, "delta: .*above 0, got 0.0"),
    (accel.ArgumentError, "huber_loss", (ONES, ONES), {"delta": float("inf")}, "delta: .*finite"),
    (accel.ArgumentError, "gaussian_nll_loss", (ONES, ONES, ONES), {"eps": 0.0}, "eps: .*above 0"),
    (accel.ArgumentError, "gaussian_nll_loss", (ONES, ONES, ONES), {"full": "yes"}, "full: "),
    (accel.ArgumentError, "poisson_nll_loss", (ONES, ONES), {"log_input": 2}, "log_input: "),
    (accel.ArgumentError, "poisson_nll_loss", (ONES, ONES), {"eps": -1e-8}, "eps: .*at least 0"),
    (accel.ArgumentError, "kl_div", (ONES, ONES), {"log_target": None}, "log_target: "),
    (accel.ArgumentError, "hinge_embedding_loss", (ONES, ONES), {"margin": "1"}, "margin: .*finite number, got '1'"),
    (accel.ArgumentError, "margin_ranking_loss", (ONES, ONES, ONES), {"margin": float("nan")}, "margin: "),
]


@pytest.mark.parametrize(("error", "name", "operands", "keywords", "message"), WRONG)
def test_bad_input(error: Any, name: str, operands: tuple[Any, ...], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(error, match=f"^{name}: {message}"):
        getattr(nn, name)(*operands, **keywords)
