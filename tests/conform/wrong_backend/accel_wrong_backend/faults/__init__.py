"""The faults by name, one per rule and clause of the contract (docs/numerics.md and `accel.backends.base`)."""

from . import (
    attentions,
    convolutions,
    factorizations,
    groups,
    memory,
    pairs,
    pointwise,
    products,
    quantized,
    reductions,
    rows,
    scatters,
    softmax,
)
from .fault import NONE, Fault, of

FAULTS: dict[str, Fault] = {
    **of(reductions.FAULTS, "reduce", "mean"),
    **of(products.FAULTS, "matmul"),
    **of(groups.FAULTS, "grouped_matmul"),
    **of(softmax.FAULTS, "softmax", "log_softmax", "logsumexp"),
    **of(rows.FAULTS, "row"),
    **of(attentions.FAULTS, "attention"),
    **of(convolutions.FAULTS, "convolution"),
    **of(factorizations.FAULTS, "factor"),
    **of(quantized.FAULTS, "quantized_matmul"),
    **of(scatters.FAULTS, "scatter"),
    **of(pointwise.FAULTS, "pointwise"),
    **pairs.FAULTS,
    **memory.FAULTS,
}

__all__ = ["FAULTS", "NONE", "Fault"]
