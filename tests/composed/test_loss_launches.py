"""How many kernels a loss is: one for each fold domain, whatever its keywords."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import composition
from accel.graph.graph import Graph
from accel.graph.group import groups
from accel.graph.program import work
from accel.registry import OPS


class Traced(Exception):
    """Ends a call whose graph is known."""


def graph_of(name: str, *operands: Any, **keywords: Any) -> Graph:
    """What a call of an op is traced into."""

    class Asked:
        def call(self, spec: Any, inputs: Any, params: Any, out: Any) -> Any:
            raise Traced(composition.graph_of(spec, tuple(x.layout for x in inputs), params))

    with pytest.raises(Traced) as found, composition.recorded_by(Asked()):
        OPS[name].function(*operands, **keywords)
    return found.value.args[0]


def made(shape: tuple[int, ...], dtype: str = "float32") -> accel.Array:
    return accel.asarray(np.zeros(shape), dtype=dtype, device="cpu")


def launches(name: str, *operands: Any, **keywords: Any) -> list[str]:
    """The primitives that compute a call, each of whose groups has parameters."""
    graph = graph_of(name, *operands, **keywords)
    return [work(graph, group).primitive for group in groups(graph)]


@pytest.mark.parametrize("keywords", [{}, {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "z_loss": 1e-4}], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(8, 1000), (8, 10, 5), (1000,)])
def test_classes_are_rows_and_then_their_mean(
    shape: tuple[int, ...], dtype: str, weighted: bool, keywords: dict[str, Any]
) -> None:
    axis = min(1, len(shape) - 1)
    x, target = made(shape, dtype), made((*shape[:axis], *shape[axis + 1 :]), "int64")
    given = [made((shape[axis],), dtype)] if weighted else []
    # 16-bit weights, whose sum over the classes smoothing needs, are widened by a kernel of their own
    rows = 2 if weighted and keywords and dtype == "bfloat16" and len(shape) > 1 else 1
    for reduction in ("mean", "sum", "none"):
        every = keywords | {"reduction": reduction}
        assert len(launches("cross_entropy", x, target, *given, **every)) == rows + 1
        assert len(launches("cross_entropy", x, x, *given, **every)) == (1 if reduction == "none" else 2)
        assert len(launches("nll_loss", x, target, *given, reduction=reduction)) == 2


NAMES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "kl_div", "soft_margin_loss")
MORE = ("hinge_embedding_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")


@pytest.mark.parametrize("name", [*NAMES, *MORE, "gaussian_nll_loss", "margin_ranking_loss"])
def test_operands_of_one_shape_are_one_kernel(name: str) -> None:
    operands = [made((6, 700))] * len([a for a in OPS[name].arguments if "weight" not in a])
    for reduction, primitive in (("mean", "row"), ("sum", "row"), ("none", "pointwise")):
        assert launches(name, *operands, reduction=reduction) == [primitive]
        if "weight" in OPS[name].arguments:
            assert launches(name, *operands, weight=made((700,)), reduction=reduction) == [primitive]
    transposed = [x.T for x in operands]
    assert launches(name, *transposed) == ["row"]


def test_no_row_of_probabilities_is_stored() -> None:
    """The first kernel writes one number for each row, or few."""
    graph = graph_of("cross_entropy", made((8, 1000)), made((8,), "int64"), label_smoothing=0.1)
    first = work(graph, groups(graph)[0])
    assert {read.layout.shape for read in first.outputs} == {(8,)}
    soft = graph_of("cross_entropy", made((8, 1000)), made((8, 1000)))
    assert all(read.layout.size == 8 for read in work(soft, groups(soft)[0]).outputs)
