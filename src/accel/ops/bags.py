"""The public function of bags of embeddings: the op of composed/bags.py, after a look at the numbers."""

from __future__ import annotations

from typing import Any

from .. import interop
from ..arguments import real, switch
from ..errors import ArgumentError
from .ascending import check_ascending
from .composed import bags
from .composed.bags import OP, bags_of
from .primitive.gather import as_positions, check_positions


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The rows of weight that the numbers of each bag name, as their sum, mean or maximum: (bags, features).

    input: of any integer dtype, from 0 to the number of rows - 1: (bags, numbers), or a vector of all bags' numbers
    one after the other. offsets: for a vector, where each bag begins, ascending from 0; with include_last_offset also
    where the last one ends. weight: (rows, features), floating. mode: ``sum``, ``mean`` or ``max``. per_sample_weights:
    of input's shape, and for ``sum`` only: what each row is multiplied by. padding_idx: a row that is left out, also
    where a mean's rows are counted. A bag without rows is 0. Sums go by rule 2 of docs/numerics.md over a bag's numbers
    as they follow, in float32 for 16-bit floats; each result is rounded once.
    max_norm, scale_grad_by_freq and sparse are refused, as by `embedding`.
    Raises IndexError for a row that there is not, and for such offsets, on a GPU when it is synchronised or copied from
    (`accel.config.check`), also ShapeError, DtypeError, ArgumentError. As torch.nn.functional.embedding_bag.
    """
    real(OP, "norm_type", norm_type)
    if max_norm is not None:
        raise ArgumentError(f"{OP}: max_norm: weights are not written here; normalize them before")
    for name, value in (("scale_grad_by_freq", scale_grad_by_freq), ("sparse", sparse)):
        if switch(OP, name, value):
            raise ArgumentError(f"{OP}: {name}: only False is there")
    given = {"input": input, "weight": weight, "offsets": offsets, "per_sample_weights": per_sample_weights}
    given = {name: x for name, x in given.items() if x is not None or name in ("input", "weight")}
    found, restore = interop.arrays(OP, **given)
    arrays = dict(zip(given, found, strict=True))
    numbers, table, starts = arrays["input"], arrays["weight"], arrays.get("offsets")
    positions = as_positions(OP, "input", numbers)
    bags_of(numbers, table, starts, include_last_offset)
    check_positions(f"{OP}: input", positions, table.shape[0], least=0)
    if starts is not None:
        check_ascending(f"{OP}: offsets", as_positions(OP, "offsets", starts), numbers.size, False)
    return restore(
        bags.embedding_bag(
            numbers, table, starts, arrays.get("per_sample_weights"), mode, include_last_offset, padding_idx
        )
    )
