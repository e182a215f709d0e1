"""The derivative of attention: against central differences of attention itself, and against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tracing import traced

import accel
from accel import nn
from accel.conversion import from_numpy, to_numpy
from accel.graph.derivative import backward, forward
from accel.ops import attention_derivative

RNG = np.random.default_rng(4)
CPU = accel.device("cpu")
KEY = np.array([0, 5], np.uint64)
LENGTHS, STARTS = np.array([6, 9]), np.array([3, 0])
OF_Q, OF_K = np.array([0, 2, 2, 5]), np.array([0, 4, 7, 9])


def on_cpu(operands: list[np.ndarray]) -> list[accel.Array]:
    return [from_numpy(x, CPU, copy=True) for x in operands]


def gradients(function: Callable[..., Any], operands: list[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
    """Of each operand; zeros of those that nothing depends on by numbers that change smoothly."""
    arrays = on_cpu(operands)
    graph = traced(function, *arrays)
    found = backward(graph, forward(graph, arrays), on_cpu([g]))
    return [np.zeros_like(x) if f is None else to_numpy(f) for f, x in zip(found, operands, strict=True)]


def value(function: Callable[..., Any], operands: list[np.ndarray], g: np.ndarray) -> float:
    return float((to_numpy(function(*on_cpu(operands))) * g).sum())


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def attend(*names: str, **fixed: Any) -> Callable[..., Any]:
    """Attention of query, key, value and the operands that are named."""
    return lambda q, k, v, *others: nn.scaled_dot_product_attention(
        q, k, v, **dict(zip(names, others, strict=True)), **fixed
    )


def packed(*names: str, **fixed: Any) -> Callable[..., Any]:
    return lambda q, k, v, a, b, *others: nn.scaled_dot_product_attention_varlen(
        q, k, v, a, b, enable_gqa=True, **dict(zip(names, others, strict=True)), **fixed
    )


THREE = [normal(2, 4, 5, 3), normal(2, 4, 9, 3), normal(2, 4, 9, 2)]
SHARED = [THREE[0], THREE[1][:, :2], THREE[2][:, :2]]
ALONG = [normal(5, 4, 3), normal(9, 2, 3), normal(9, 2, 2), OF_Q, OF_K]
LAST: dict[str, Any] = {"is_causal": True, "causal_alignment": "lower_right"}
CASES: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "plain": (attend(), THREE),
    "causal": (attend(**LAST, window_size=(3, 0)), THREE),
    "shared heads": (attend("alibi_slopes", enable_gqa=True), [*SHARED, np.abs(normal(4))]),
    "soft cap": (attend("sinks", softcap=1.5), [*THREE, normal(4)]),
    "mask": (attend("attn_mask", is_causal=True), [*THREE, normal(4, 5, 9)]),
    "boolean mask": (attend("attn_mask"), [*THREE, RNG.random((5, 9)) < 0.5]),
    "lengths": (attend("key_starts", "key_lengths", **LAST), [*THREE, STARTS, LENGTHS]),
    "dropout": (attend("dropout_key", is_causal=True, dropout_p=0.3), [*THREE, KEY]),
    "packed": (packed("sinks"), [*ALONG, normal(4)]),
    "packed, all": (
        packed("alibi_slopes", "dropout_key", **LAST, softcap=2.0, dropout_p=0.3),
        [*ALONG, np.abs(normal(4)), KEY],
    ),
}


@pytest.mark.parametrize("rows", [2, 512])
@pytest.mark.parametrize("name", CASES)
def test_against_central_differences(name, rows, monkeypatch):
    monkeypatch.setattr(attention_derivative, "ROWS", rows)
    function, operands = CASES[name]
    g = normal(*to_numpy(function(*on_cpu(operands))).shape)
    h = 2.0**-20
    for i, grad in enumerate(gradients(function, operands, g)):
        assert grad.shape == operands[i].shape
        if operands[i].dtype != np.float64:
            continue
        direction = normal(*operands[i].shape)
        ahead, behind = (
            value(function, [x + h * s * direction if j == i else x for j, x in enumerate(operands)], g)
            for s in (1, -1)
        )
        want = (ahead - behind) / (2 * h)
        assert abs((grad * direction).sum() - want) < 1e-7 * (1 + abs(want)), f"operand {i}"
        assert abs((grad * direction).sum()) > 1e-3, "a derivative that is nothing would be found, too"


def test_against_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    g = normal(2, 4, 5, 2)
    tensors = [torch.tensor(x, requires_grad=True) for x in THREE]
    torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=True).backward(torch.tensor(g))
    for got, want in zip(gradients(attend(is_causal=True), THREE, g), tensors, strict=True):
        np.testing.assert_allclose(got, want.grad.numpy(), rtol=1e-11, atol=1e-13)


def test_what_is_not_seen_may_be_anything():
    g, mask = normal(2, 4, 5, 2), np.arange(9) < 7
    function, seen = attend("attn_mask"), mask & np.ones((5, 1), bool)
    clean = gradients(function, [*THREE, seen], g)
    dirty = [THREE[0], *(np.where(mask[:, None], x, np.nan) for x in THREE[1:]), seen]
    assert all((a == b).all() for a, b in zip(clean, gradients(function, dirty, g), strict=True))
    assert not any(x.any() for x in gradients(function, [*THREE, np.zeros((5, 9), bool)], g))


def test_a_cache_in_pages_has_none():
    operands = [normal(2, 4, 3), normal(2, 4, 4, 3), *map(np.array, ([0, 2], [0, 3], [[1]]))]

    def function(q: Any, k: Any, a: Any, b: Any, table: Any) -> Any:
        return nn.scaled_dot_product_attention_varlen(q, k, k, a, b, block_table=table)

    with pytest.raises(accel.ArgumentError, match="pages has no derivative"):
        gradients(function, operands, normal(2, 4, 3))
