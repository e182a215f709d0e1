"""A composed op computed otherwise than by a device: its body, run on NumPy arrays through the canonical algorithms of
the primitives that it calls. The recorded graph has no part in it, so that a wrongly traced view or cast shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dispatch
from ..array import Array
from ..conversion import from_numpy, on_host
from ..devices import device
from ..layout import row_major
from ..ops.primitive import matmul, reduce, row
from ..ops.spec import OpSpec, Seen


class Judge:
    """Takes the place of `dispatch.call`: runs every primitive's canonical form on the elements."""

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Any:
        """The result of a call, on the CPU device's memory."""
        layouts = tuple(x.layout for x in inputs)
        adapted = spec.adapt(layouts, params)
        if isinstance(adapted, Seen):
            views = [x.view(its.shape, its.strides) for x, its in zip(inputs, adapted.layouts, strict=True)]
            return self.call(spec, views, adapted.params, None).view(adapted.shape, row_major(adapted.shape))
        if adapted is not None:
            return adapted(*inputs)
        if spec.decompose is not None and spec.decomposes(params):
            return spec.decompose(*inputs, params)
        inferred = spec.infer(layouts, params)
        if all(0 in shape for shape, _ in inferred.outputs):
            results: Sequence[np.ndarray] = [np.empty(shape, dtype.numpy) for shape, dtype in inferred.outputs]
        else:
            results = CANONICAL[spec.primitive](inferred.params, inferred.outputs, *map(on_host, inputs))
        made = tuple(from_numpy(np.asarray(x, order="C"), inputs[0].device) for x in results)
        return made[0] if len(made) == 1 else made


def _pointwise(program: Any, outputs: Any, *operands: np.ndarray) -> Sequence[np.ndarray]:
    from ..scalar.evaluate import evaluate_all

    return [x.reshape(s) for x, (s, _) in zip(evaluate_all(program, *operands), outputs, strict=True)]


def _reduce(reduction: Any, outputs: Any, x: np.ndarray) -> Sequence[np.ndarray]:
    ((shape, dtype),) = outputs
    return [np.asarray(reduce.canonical.reduce(reduction.kind, x, reduction.axes, dtype), dtype.numpy).reshape(shape)]


def _matmul(product: Any, outputs: Any, a: np.ndarray, b: np.ndarray) -> Sequence[np.ndarray]:
    ((_, dtype),) = outputs
    return [matmul.canonical.matmul(a, b, dtype)]


def _row(params: Any, outputs: Any, *operands: np.ndarray) -> Sequence[np.ndarray]:
    result = row.evaluate(params, *operands)
    return result if isinstance(result, tuple) else (result,)


CANONICAL = {"pointwise": _pointwise, "reduce": _reduce, "matmul": _matmul, "row": _row}
"""By primitive: the canonical answer from inferred parameters, outputs and operands."""


def canonical(function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
    """The bit contract's answer of a composed op's public function on NumPy operands."""
    host = device("cpu")
    given = [from_numpy(x, host, copy=True) if isinstance(x, np.ndarray) else x for x in operands]
    token = dispatch.RECORDER.set(Judge())
    try:
        result = function(*given, **keywords)
        several = result if isinstance(result, tuple) else (result,)
        made = tuple(np.array(on_host(x)) for x in several)
    finally:
        dispatch.RECORDER.reset(token)
    return made if isinstance(result, tuple) else made[0]


def bound(function: Callable[..., Any], reference: Any, *operands: Any, **keywords: Any) -> Any:
    """The error bound that follows from the body."""
    raise NotImplementedError
