"""A composed op computed otherwise than by a device: its body, run on NumPy arrays through the canonical algorithms of
the primitives that it calls. The recorded graph has no part in it, so that a wrongly traced view or cast shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import registry
from ..array import Array
from ..composition import recorded_by
from ..conversion import from_numpy, given_number, on_host
from ..devices import device
from ..dtypes import FLOAT64
from ..errors import ArgumentError
from ..ops.spec import Inferred, OpSpec
from .bound import Analysis
from .bounded import LEAST, Bounded, rounding_of
from .trace import passed_on


class Judge:
    """Takes the place of `dispatch.call`: runs every primitive's canonical form on the elements."""

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Any:
        """The result of a call, on the CPU device's memory."""
        if (passed := passed_on(spec, inputs, params, self.call)) is not None:
            return passed
        inferred = spec.infer(tuple(x.layout for x in inputs), params)
        if all(0 in shape for shape, _ in inferred.outputs):
            empty = [np.empty(shape, dtype.numpy) for shape, dtype in inferred.outputs]
            made = tuple(from_numpy(x, inputs[0].device) for x in empty)
        else:
            made = self.run(spec.primitive, inferred, inputs)
        return made[0] if len(made) == 1 else made

    def run(self, primitive: str, inferred: Inferred, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The results of a primitive that has some."""
        results = registry.primitive(primitive).canonical(inferred.params, inferred.outputs, *map(on_host, inputs))
        return tuple(from_numpy(np.asarray(x, order="C"), inputs[0].device) for x in results)


def canonical(function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
    """The bit contract's answer of a composed op's public function on NumPy operands."""
    return judged(Judge(), function, *operands, **keywords)


def judged(judge: Judge, function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
    """What a judge makes of a public function on NumPy operands."""
    return _under(judge, function, operands, keywords, lambda x: np.array(on_host(x)))


def _under(
    judge: Judge, function: Callable[..., Any], operands: Any, keywords: Any, of_result: Callable[[Array], Any]
) -> Any:
    host = device("cpu")
    given = [from_numpy(x, host, copy=True) if isinstance(x, np.ndarray) else x for x in operands]
    with recorded_by(judge):
        result = function(*given, **keywords)
        several = result if isinstance(result, tuple) else (result,)
        made = tuple(map(of_result, several))
    return made if isinstance(result, tuple) else made[0]


class Analyst(Judge):
    """Computes the canonical answers, and beside each array a bound on every element's error. Arrays and their errors
    have the same places in their memory, so a view of one is a view of the other."""

    def __init__(self) -> None:
        self.analysis = Analysis()
        self._errors: dict[int, tuple[Any, np.ndarray]] = {}  # by buffer, which stays alive

    def bounded(self, x: Array) -> Bounded:
        """An array's elements with their errors. A constant has the error of its own rounding; a float64 one with
        many digits may be a rounded number too. What else came from outside is exact."""
        value = on_host(x)
        found = self._errors.get(id(x.buffer))
        if found is not None and x.size:
            itemsize = found[1].itemsize
            steps = tuple(s * itemsize for s in x.strides)
            return Bounded(value, np.ndarray(x.shape, np.float64, found[1], x.offset * itemsize, steps))
        number = given_number(x)
        if number is None or x.dtype.kind != "f":
            return Bounded.exact(value)
        return Bounded(value, rounding_of(number, value))

    def run(self, primitive: str, inferred: Inferred, inputs: Sequence[Array]) -> tuple[Array, ...]:
        results = analysed(self.analysis, primitive, inferred, *map(self.bounded, inputs))
        made = []
        for (shape, _), x in zip(inferred.outputs, results, strict=True):
            array = from_numpy(np.array(np.broadcast_to(x.value, shape), order="C"), inputs[0].device)
            error = np.array(np.broadcast_to(x.error, shape), order="C")
            self._errors[id(array.buffer)] = (array.buffer, error.reshape(-1))
            made.append(array)
        return tuple(made)


def analysed(analysis: Analysis, primitive: str, inferred: Inferred, *operands: Bounded) -> Sequence[Bounded]:
    """A primitive's canonical answers with their bounds. Raises ArgumentError where it has no rule."""
    rule = registry.primitive(primitive).analysed
    if isinstance(rule, str):
        raise ArgumentError(f"the primitive {primitive} has no bound that follows from its operands': {rule}")
    return rule(analysis, inferred.params, inferred.outputs, *operands)


def analyse(function: Callable[..., Any], *operands: Any, **keywords: Any) -> tuple[Any, Analysis]:
    """A public function's results as `Bounded`, one or a tuple of them, and the analysis, which has counted."""
    analyst = Analyst()
    return _under(analyst, function, operands, keywords, lambda x: analyst.bounded(x).seen(np.array)), analyst.analysis


def bound(function: Callable[..., Any], reference: Any, *operands: Any, **keywords: Any) -> Any:
    """The error bound that follows from the body."""
    return around(analyse(function, *operands, **keywords)[0], reference)


def around(results: Any, reference: Any) -> Any:
    """The bounds of results around exact answers, with what these are off by: they are computed in 11 digits more than
    float64, or 29 more than float32, so their errors are so much smaller than those of the body."""
    several = isinstance(results, tuple)
    found = []
    for x, exact in zip(results if several else (results,), reference if several else (reference,), strict=True):
        own = np.abs(np.asarray(exact, np.float64)) * (2.0**-60 if x.dtype is FLOAT64 else 2.0**-48) + LEAST
        found.append(np.where(np.isfinite(own), x.error * (1 + 2.0**-8) + own, x.error))
    return tuple(found) if several else found[0]
