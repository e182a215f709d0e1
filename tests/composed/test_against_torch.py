"""Norms and statistics against torch in float64, and the exact references against torch too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import accel
from accel.ops.composed.statistics import examples
from accel.registry import OPS

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
F = torch.nn.functional

LANES = 64


class Of:
    """Stands for normal numbers of a shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape


@dataclass(frozen=True)
class Case:
    """One call: accel's function with NumPy arrays, and the same of torch."""

    op: str
    operands: tuple[Any, ...]
    torch: Callable[..., Any]
    keywords: dict[str, Any]


def case(op: str, theirs: Callable[..., Any], *operands: Any, **keywords: Any) -> Case:
    rng = np.random.default_rng(0)
    made = tuple(rng.standard_normal(x.shape) if isinstance(x, Of) else x for x in operands)
    return Case(op, made, theirs, keywords)


def batch(x: Any, *rest: Any, **keywords: Any) -> Any:
    """torch's training batch norm, with its new statistics."""
    running = [None if r is None else r.clone() for r in rest[:2]]
    y = F.batch_norm(x, *running, *rest[2:], training=True, **keywords)
    return y if running[0] is None else (y, *running)


def instance(x: Any, *rest: Any, **keywords: Any) -> Any:
    running = [None if r is None else r.clone() for r in rest[:2]]
    y = F.instance_norm(x, *running, *rest[2:], use_input_stats=True, **keywords)
    return y if running[0] is None else (y, *running)


def inference(x: Any, mean: Any, var: Any, *rest: Any, **keywords: Any) -> Any:
    return F.batch_norm(x, mean, var, *rest, training=False, **keywords)


def along(function: Callable[..., Any]) -> Callable[..., Any]:
    """torch's function with the standard's words for its arguments."""

    def called(*operands: Any, **keywords: Any) -> Any:
        words = {"axis": "dim", "keepdims": "keepdim"}
        return function(*operands, **{words.get(k, k): v for k, v in keywords.items()})

    return called


ROW = (5, 2 * LANES + 3)
IMAGE = (3, 6, 5, 7)

CASES = {
    "layer_norm": case("layer_norm", F.layer_norm, Of(*ROW), ROW[1:]),
    "layer_norm affine": case("layer_norm", F.layer_norm, Of(*IMAGE), (5, 7), Of(5, 7), Of(5, 7), 0.3),
    "layer_norm weight": case("layer_norm", F.layer_norm, Of(*IMAGE), (7,), Of(7), None),
    "layer_norm bias": case("layer_norm", F.layer_norm, Of(*IMAGE), (7,), None, Of(7)),
    "layer_norm all": case("layer_norm", F.layer_norm, Of(*ROW), ROW),
    "layer_norm one": case("layer_norm", F.layer_norm, Of(4, 1), (1,)),
    "layer_norm negative eps": case("layer_norm", F.layer_norm, Of(*ROW), ROW[1:], None, None, -0.01),
    "layer_norm nothing": case("layer_norm", F.layer_norm, Of(3, 0), (0,)),
    "rms_norm": case("rms_norm", F.rms_norm, Of(*ROW), ROW[1:]),
    "rms_norm weight": case("rms_norm", F.rms_norm, Of(*IMAGE), (5, 7), Of(5, 7), 0.2),
    "group_norm": case("group_norm", F.group_norm, Of(*IMAGE), 3, Of(6), Of(6)),
    "group_norm one": case("group_norm", F.group_norm, Of(*IMAGE), 1, None, Of(6), 0.1),
    "group_norm each": case("group_norm", F.group_norm, Of(2, 6, LANES + 1), 6),
    "group_norm no axes": case("group_norm", F.group_norm, Of(5, 6), 2, Of(6)),
    "batch_norm_inference": case("batch_norm_inference", inference, Of(*IMAGE), Of(6), np.ones(6) / 3, Of(6), Of(6)),
    "batch_norm_inference no axes": case("batch_norm_inference", inference, Of(9, 6), Of(6), np.ones(6)),
    "batch_norm_training": case("batch_norm_training", batch, Of(*IMAGE), Of(6), Of(6), Of(6), Of(6), momentum=0.3),
    "batch_norm_training none": case("batch_norm_training", batch, Of(*IMAGE), None, None, Of(6), eps=0.2),
    "batch_norm_training no axes": case("batch_norm_training", batch, Of(70, 3), Of(3), Of(3)),
    "batch_norm_training momentum 1": case("batch_norm_training", batch, Of(9, 3, 2), Of(3), Of(3), momentum=1.0),
    "instance_norm_training": case("instance_norm_training", instance, Of(*IMAGE), Of(6), Of(6), Of(6), Of(6)),
    "instance_norm_training none": case("instance_norm_training", instance, Of(*IMAGE), None, None, Of(6), Of(6)),
    "instance_norm_training one": case("instance_norm_training", instance, Of(1, 3, 9), Of(3), Of(3), momentum=0.7),
    "normalize": case("normalize", along(F.normalize), Of(*ROW)),
    "normalize 3": case("normalize", along(F.normalize), Of(*IMAGE), p=3.0, axis=2),
    "normalize inf": case("normalize", along(F.normalize), Of(*IMAGE), p=np.inf, axis=-1),
    "normalize zeros": case("normalize", along(F.normalize), np.zeros((3, 4))),
    "normalize axes": case("normalize", along(F.normalize), Of(*IMAGE), axis=(1, 3), eps=100.0),
    "cosine_similarity": case("cosine_similarity", along(F.cosine_similarity), Of(*ROW), Of(*ROW)),
    "cosine_similarity pairs": case(
        "cosine_similarity", along(F.cosine_similarity), Of(4, 1, 9), Of(1, 3, 9), axis=-1, eps=0.5
    ),
    "var": case("var", lambda x: torch.var(x, correction=0), Of(*ROW)),
    "var axes": case("var", along(torch.var), Of(*IMAGE), axis=(0, 2), correction=1, keepdims=True),
    "var correction": case("var", along(torch.var), Of(*IMAGE), axis=-1, correction=1.5),
    "std": case("std", along(torch.std), Of(*IMAGE), axis=(1, 3), correction=0),
    "var_mean": case("var_mean", torch.var_mean, Of(*ROW)),
    "var_mean axes": case("var_mean", torch.var_mean, Of(*IMAGE), (0, 3)),
    "softmin": case("softmin", along(F.softmin), Of(*IMAGE), axis=1),
    **{
        f"vector_norm {p}": case("vector_norm", along(torch.linalg.vector_norm), Of(*IMAGE), axis=(1, 3), ord=p)
        for p in (2, 1, 0, np.inf, -np.inf, 3, 0.5, 7.25, -1, -2.5)
    },
    "vector_norm all": case("vector_norm", along(torch.linalg.vector_norm), Of(*IMAGE), keepdims=True),
    "vector_norm zeros": case("vector_norm", along(torch.linalg.vector_norm), np.zeros((3, 4)), axis=1, ord=3),
    "vector_norm zero": case("vector_norm", along(torch.linalg.vector_norm), np.array([[1.0, 0.0]]), axis=1, ord=-2),
    "vector_norm nothing": case("vector_norm", along(torch.linalg.vector_norm), np.zeros((3, 0)), axis=1),
}


def several(result: Any) -> tuple[np.ndarray, ...]:
    return tuple(map(np.asarray, result if isinstance(result, tuple) else (result,)))


def furthest(got: Any, want: Any) -> float:
    """The largest difference, in units of float64's precision at the largest result. Shapes, NaNs and infinities are
    equal."""
    worst = 0.0
    for a, b in zip(several(got), several(want), strict=True):
        assert a.shape == b.shape
        finite = np.isfinite(b)
        assert (np.isnan(a) == np.isnan(b)).all() and (a == b)[~finite & ~np.isnan(b)].all()
        if finite.any():
            unit = np.finfo(np.float64).eps * max(1.0, np.abs(b[finite]).max())
            worst = max(worst, float(np.abs(a - b)[finite].max() / unit))
    return worst


def theirs(its: Case) -> Any:
    tensors = (torch.from_numpy(x) if isinstance(x, np.ndarray) else x for x in its.operands)
    return its.torch(*tensors, **its.keywords)


NEAR = 32
"""Both sides round sums of hundreds of numbers, in orders of their own."""


@pytest.mark.parametrize("name", CASES)
def test_an_op_is_as_torch_has_it(name: str) -> None:
    its = CASES[name]
    want = theirs(its)
    arrays = [accel.asarray(x) if isinstance(x, np.ndarray) else x for x in its.operands]
    assert furthest(OPS[its.op].function(*arrays, **its.keywords), want) <= NEAR
    assert furthest(OPS[its.op].reference(*its.operands, **its.keywords), want) <= NEAR


@pytest.mark.parametrize("name", ["layer_norm", "group_norm", "batch_norm_training none", "rms_norm"])
def test_another_epsilon_is_seen(name: str) -> None:
    """Its control: one part in ten thousand million of a variance."""
    its = CASES[name]
    ours = OPS[its.op].function(*its.operands, **(its.keywords | {"eps": its.keywords.get("eps", 1e-5) + 1e-10}))
    assert furthest(ours, theirs(its)) > NEAR


def test_every_op_has_a_case() -> None:
    families = {name for name, spec in OPS.items() if getattr(spec.samples, "func", None) is examples}
    assert {its.op for its in CASES.values()} == families


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["layer_norm affine", "group_norm", "batch_norm_training", "normalize", "var axes"])
def test_a_narrower_dtype_is_as_near_as_its_precision(name: str, dtype: str) -> None:
    its = CASES[name]
    narrow = [accel.asarray(x, dtype=dtype) if isinstance(x, np.ndarray) else x for x in its.operands]
    wide = [np.asarray(accel.astype(x, "float64")) if isinstance(x, accel.Array) else x for x in narrow]
    got = OPS[its.op].function(*narrow, **its.keywords)
    for a, b in zip(
        got if isinstance(got, tuple) else (got,), several(OPS[its.op].reference(*wide, **its.keywords)), strict=True
    ):
        assert a.dtype.name == dtype
        error = np.abs(np.asarray(accel.astype(a, "float64")) - b).max() / max(1.0, np.abs(b).max())
        assert error <= (4 if dtype == "float32" else 0.51) * accel.finfo(dtype).eps
