"""What `accel.optim` has: optimizers whose step is a compiled function of structures of arrays."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .array import Array
from .autodiff import arrays_in, fitting, with_arrays
from .conversion import constant
from .dtypes import FLOAT32, INT32, TABLE, DType
from .errors import ArgumentError, DtypeError, ShapeError, shown
from .fuse import fuse
from .graph.apart import filled
from .interop import is_array
from .ops.derivative import fn


@dataclass(frozen=True)
class _Optimizer:
    """What all of them share. A subclass states its numbers, MOMENTS and `step`."""

    learning_rate: float = 1e-3

    MOMENTS: ClassVar[tuple[str, ...]] = ()
    """Names of what the state has one of for each parameter."""

    def __post_init__(self) -> None:
        name = type(self).__name__
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "betas":
                if not isinstance(value, tuple) or len(value) != 2:
                    raise ArgumentError(f"{name}: betas: expected two numbers, got {shown(value)}")
                for beta in value:
                    _check(name, "betas", beta, 1.0)
            elif field.name != "nesterov":
                _check(name, field.name, value, 1.0 if field.name == "momentum" else float("inf"))

    def init(self, parameters: Any) -> dict[str, Any]:
        """The state before the first step: a dict of ``step``, which counts steps, a float32 array without axes, and
        of what the optimizer keeps for each parameter, structures like the parameters', in float32 for 16-bit ones.

        Raises ArgumentError where parameters have no arrays, DtypeError where one is not floating.
        """
        return self._init(parameters)

    def update(
        self, parameters: Any, gradient: Any, state: dict[str, Any], learning_rate: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """The parameters and the state after one step. What is given stays as it is.

        gradient: with the parameters' structure, shapes and dtypes; or all of it in the dtypes that the state has, as
        `LossScale.unscale` gives it. state: what `init` or the step before gave.
        learning_rate: a number, or an array without axes, with which another value is not traced anew; None: the
        optimizer's own.
        Raises ArgumentError, ShapeError or DtypeError where they do not fit the parameters.
        """
        rate = self.learning_rate if learning_rate is None else learning_rate
        if not is_array(rate) or isinstance(rate, np.generic):
            _check(f"{type(self).__name__}.update", "learning_rate", rate)
            rate = float(rate)
        return self._update(parameters, gradient, state, rate)

    @cached_property
    def _init(self) -> Any:
        def init(parameters: Any) -> dict[str, Any]:
            arrays = _checked(f"{type(self).__name__}.init", parameters)
            state: dict[str, Any] = {"step": filled(0.0, (), FLOAT32, arrays[0].device)}
            for name in self.MOMENTS:
                zeros = [filled(0.0, x.shape, _wide(x.dtype), x.device) for x in arrays]
                state[name] = with_arrays(parameters, zeros)
            return state

        return fuse(init)

    @cached_property
    def _update(self) -> Any:
        def update(parameters: Any, gradient: Any, state: Any, learning_rate: Any) -> tuple[Any, dict[str, Any]]:
            op = f"{type(self).__name__}.update"
            arrays = _checked(op, parameters)
            wide = with_arrays(parameters, [fn.astype(x, _wide(x.dtype), copy=False) for x in arrays])
            is_wide = [g.dtype for g in arrays_in(gradient)] == [p.dtype for p in arrays_in(wide)]
            slopes = fitting(op, "gradient", wide if is_wide else parameters, gradient)
            if not isinstance(state, dict) or set(state) != {"step", *self.MOMENTS}:
                raise ArgumentError(f"{op}: state: expected what {type(self).__name__}.init gives")
            fitting(op, "state['step']", filled(0.0, (), FLOAT32, arrays[0].device), state["step"])
            moments = [fitting(op, f"state[{name!r}]", wide, state[name]) for name in self.MOMENTS]
            if isinstance(learning_rate, Array) and learning_rate.shape != ():
                raise ShapeError(
                    f"{op}: learning_rate: expected a number or an array without axes, got shape {learning_rate.shape}"
                )
            number = not isinstance(learning_rate, Array)
            t = state["step"] + 1.0
            made: list[Array] = []
            kept: dict[str, list[Array]] = {name: [] for name in self.MOMENTS}
            for x, p, g, *its in zip(arrays, arrays_in(wide), slopes, *moments, strict=True):
                dtype = p.dtype
                rate = constant(learning_rate, dtype, p.device) if number else fn.astype(learning_rate, dtype)
                count = fn.astype(t, dtype, copy=False)
                new, mine = self.step(p, fn.astype(g, dtype, copy=False), its, rate, count)
                made.append(fn.astype(new, x.dtype, copy=False))
                for moment, name in zip(mine, self.MOMENTS, strict=True):
                    kept[name].append(moment)
            after = {name: with_arrays(parameters, each) for name, each in kept.items()}
            return with_arrays(parameters, made), {"step": t, **after}

        return fuse(update)

    def step(self, p: Array, g: Array, moments: Any, rate: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        """A parameter and its moments after step number t. All are of one dtype, float32 or float64."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(_Optimizer):
    """Gradient descent, with momentum (Sutskever et al. 2013), by Nesterov's rule or without it.

    weight_decay: of it times the parameter is added to the gradient.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    MOMENTS: ClassVar[tuple[str, ...]] = ("momentum",)

    def step(self, p: Array, g: Array, moments: Any, rate: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        g = g + self.weight_decay * p if self.weight_decay else g
        velocity = self.momentum * moments[0] + g
        return p - rate * (g + self.momentum * velocity if self.nesterov else velocity), (velocity,)


@dataclass(frozen=True)
class Adam(_Optimizer):
    """Steps by moments of the gradient (Kingma and Ba 2014, arXiv:1412.6980).

    weight_decay: of it times the parameter is added to the gradient.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    MOMENTS: ClassVar[tuple[str, ...]] = ("mean", "square")

    def step(self, p: Array, g: Array, moments: Any, rate: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        g = g + self.weight_decay * p if self.weight_decay else g
        return self._moved(p, g, moments, rate, t)

    def _moved(self, p: Array, g: Array, moments: Any, rate: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        first, second = self.betas
        mean = first * moments[0] + (1 - first) * g
        square = second * moments[1] + (1 - second) * (g * g)
        size = fn.sqrt(square / (1.0 - fn.pow(second, t))) + self.eps
        return p - rate * (mean / (1.0 - fn.pow(first, t))) / size, (mean, square)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay takes a share of the parameter itself (Loshchilov and Hutter 2017, arXiv:1711.05101)."""

    weight_decay: float = 1e-2

    def step(self, p: Array, g: Array, moments: Any, rate: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        return self._moved(p * (1.0 - rate * self.weight_decay), g, moments, rate, t)


@dataclass(frozen=True)
class Lion(_Optimizer):
    """Steps of one size, by the sign of a moment (Chen et al. 2023, arXiv:2302.06675)."""

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0

    MOMENTS: ClassVar[tuple[str, ...]] = ("mean",)

    def step(self, p: Array, g: Array, moments: Any, rate: Array, t: Array) -> tuple[Array, tuple[Array, ...]]:
        first, second = self.betas
        direction = fn.sign(first * moments[0] + (1 - first) * g)
        p = p * (1.0 - rate * self.weight_decay) if self.weight_decay else p
        return p - rate * direction, (second * moments[0] + (1 - second) * g,)


def clip_by_global_norm(gradient: Any, max_norm: float) -> tuple[Any, Any]:
    """The gradient, scaled so that the Euclidean norm of all of it together is at most max_norm; and that norm before.

    Where it is smaller nothing changes. The scale is max_norm / (norm + 1e-6), as torch's. The norm is computed in the
    arrays' accumulators (float32 or float64).
    Raises ArgumentError where there are no arrays or max_norm is no finite number from 0, DtypeError where an array is
    not floating.
    """
    _check("clip_by_global_norm", "max_norm", max_norm)
    return _clip(gradient, float(max_norm))


@fuse
def _clip(gradient: Any, max_norm: float) -> tuple[Any, Any]:
    arrays = _checked("clip_by_global_norm", gradient)
    wide = [fn.astype(x, _wide(x.dtype), copy=False) for x in arrays]
    squares = [fn.sum(x * x) for x in wide]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    norm = fn.sqrt(total)
    scale = fn.minimum(max_norm / (norm + 1e-6), 1.0)
    made = [fn.astype(x * scale, y.dtype, copy=False) for x, y in zip(wide, arrays, strict=True)]
    return with_arrays(gradient, made), norm


@dataclass(frozen=True)
class LossScale:
    """A factor of the loss that keeps gradients of 16 bits from becoming 0, and follows what they bear: 16-bit floats,
    float16 above all, lack the small numbers that gradients are (Micikevicius et al. 2017, arXiv:1710.03740).

        scaling = accel.optim.LossScale()
        scale = scaling.init(parameters)

        @accel.fuse
        def step(parameters, state, scale, x, y):
            scaled = lambda parameters: scaling.scale(loss(parameters, x, y), scale)
            value, gradient = accel.value_and_grad(scaled)(parameters)
            gradient, finite = scaling.unscale(gradient, scale)
            after = optimizer.update(parameters, gradient, state)
            (parameters, state), scale = scaling.update(scale, finite, after, (parameters, state))
            return value / scale["scale"], parameters, state, scale

    The rules and the defaults are those of torch.amp.GradScaler: a step with an infinity or a NaN in any gradient is
    skipped, and the scale is multiplied by backoff_factor; after growth_interval other steps in a row it is multiplied
    by growth_factor, unless that would not be finite. Scale and factors are float32. Whether a step counts is chosen on
    the device: nothing is read back.

    Raises ArgumentError where init_scale is no positive finite number, growth_factor none above 1, backoff_factor none
    between 0 and 1, or growth_interval no whole number from 1.
    """

    init_scale: float = 65536.0
    growth_factor: float = 2.0
    backoff_factor: float = 0.5
    growth_interval: int = 2000

    def __post_init__(self) -> None:
        # in float32, which the state has
        for name, above, below in (("init_scale", 0, np.inf), ("growth_factor", 1, np.inf), ("backoff_factor", 0, 1)):
            value = getattr(self, name)
            _check("LossScale", name, value)
            with np.errstate(over="ignore"):
                single = np.float32(value)
            if not above < single < below:
                to = "" if below == np.inf else f" and below {below}"
                raise ArgumentError(
                    f"LossScale: {name}: expected a float32 number above {above}{to}, got {shown(value)}"
                )
        if type(self.growth_interval) is not int or not 1 <= self.growth_interval < 2**31:
            raise ArgumentError(
                f"LossScale: growth_interval: expected a whole number from 1 to below 2**31, got "
                f"{shown(self.growth_interval)}"
            )

    def init(self, parameters: Any) -> dict[str, Any]:
        """The state before the first step, on the parameters' device: a dict of ``scale``, float32, and of ``steps``,
        int32, the steps since the scale changed; arrays without axes.

        Raises ArgumentError where parameters have no arrays, DtypeError where one is not floating.
        """
        return self._init(parameters)

    def scale(self, value: Any, state: dict[str, Any]) -> Any:
        """The loss times the scale, for a gradient to be taken of; a 16-bit loss becomes float32.

        value: a floating array. Raises ArgumentError or DtypeError where value or state are something else.
        """
        return self._scale(np.asarray(value) if isinstance(value, np.generic) else value, state)

    def unscale(self, gradient: Any, state: dict[str, Any]) -> tuple[Any, Any]:
        """The gradient over the scale, 16-bit parts as float32, as the scale is there for what 16 bits do not hold; and
        whether all that was given is finite, a bool array without axes.

        Raises ArgumentError where there are no arrays, DtypeError where one is not floating, and as `scale` does.
        """
        return self._unscale(gradient, state)

    def update(self, state: dict[str, Any], finite: Any, after: Any, before: Any) -> tuple[Any, dict[str, Any]]:
        """What stands after a step: ``after`` where finite, otherwise ``before``; and the state for the next one.

        finite: of `unscale`. after, before: what the step gave and what it was given, such as pairs of parameters and
        an optimizer's state, of one structure, with the same shapes and dtypes.
        Raises ArgumentError, ShapeError or DtypeError where they do not fit each other, or state is something else.
        """
        return self._update(state, finite, after, before)

    @cached_property
    def _init(self) -> Any:
        def init(parameters: Any) -> dict[str, Any]:
            device = _checked("LossScale.init", parameters)[0].device
            return {"scale": filled(self.init_scale, (), FLOAT32, device), "steps": filled(0, (), INT32, device)}

        return fuse(init)

    @cached_property
    def _scale(self) -> Any:
        def scale(value: Any, state: Any) -> Array:
            (loss,) = _checked("LossScale.scale", [value])
            factor, _ = _of_scale("LossScale.scale", state)
            dtype = _wide(loss.dtype)
            return fn.astype(loss, dtype, copy=False) * fn.astype(factor, dtype, copy=False)

        return fuse(scale)

    @cached_property
    def _unscale(self) -> Any:
        def unscale(gradient: Any, state: Any) -> tuple[Any, Array]:
            arrays = _checked("LossScale.unscale", gradient)
            factor, _ = _of_scale("LossScale.unscale", state)
            inverse = 1.0 / factor
            made = [fn.astype(g, _wide(g.dtype), copy=False) for g in arrays]
            made = [g * fn.astype(inverse, g.dtype, copy=False) for g in made]
            finite = functools.reduce(fn.logical_and, [fn.all(fn.isfinite(g)) for g in arrays])
            return with_arrays(gradient, made), finite

        return fuse(unscale)

    @cached_property
    def _update(self) -> Any:
        def update(state: Any, finite: Any, after: Any, before: Any) -> tuple[Any, dict[str, Any]]:
            op = "LossScale.update"
            if not isinstance(finite, Array) or finite.dtype.kind != "b" or finite.shape != ():
                raise ArgumentError(f"{op}: finite: expected a bool array without axes, got {shown(finite)}")
            factor, steps = _of_scale(op, state)
            pairs = zip(fitting(op, "after", before, after, every=True), arrays_in(before), strict=True)
            stands = with_arrays(before, [fn.where(finite, x, y) for x, y in pairs])
            grown, steps = factor * self.growth_factor, steps + 1
            grows = steps == self.growth_interval
            larger = fn.where(fn.logical_and(grows, fn.isfinite(grown)), grown, factor)
            changed = fn.logical_or(grows, fn.logical_not(finite))
            zero = filled(0, (), INT32, steps.device)
            return stands, {
                "scale": fn.where(finite, larger, factor * self.backoff_factor),
                "steps": fn.where(changed, zero, steps),
            }

        return fuse(update)


def _of_scale(op: str, state: Any) -> tuple[Array, Array]:
    """The scale and the count of a LossScale's state. Raises ArgumentError, ShapeError, DtypeError."""
    if not isinstance(state, dict) or set(state) != {"scale", "steps"}:
        raise ArgumentError(f"{op}: state: expected what LossScale.init gives, got {shown(state)}")
    for name, dtype in (("scale", FLOAT32), ("steps", INT32)):
        x = state[name]
        if not isinstance(x, Array) or x.shape != () or x.dtype is not dtype:
            raise ArgumentError(f"{op}: state[{name!r}]: expected an array without axes of {dtype}, got {shown(x)}")
    return state["scale"], state["steps"]


def _check(op: str, argument: str, value: Any, below: float = float("inf")) -> None:
    """Raises ArgumentError where a value is no finite number from 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not 0 <= value < below:
        to = "" if below == float("inf") else f" to below {below}"
        raise ArgumentError(f"{op}: {argument}: expected a number from 0{to}, got {shown(value)}")


def _wide(dtype: DType) -> DType:
    return TABLE[dtype.accumulator]


def _checked(op: str, parameters: Any) -> list[Array]:
    """The arrays of parameters. Raises ArgumentError, DtypeError."""
    arrays = arrays_in(parameters)
    if not arrays:
        raise ArgumentError(f"{op}: expected floating arrays, got {shown(parameters)}")
    for x in arrays:
        if x.dtype.kind != "f":
            raise DtypeError(f"{op}: expected floating arrays, got one of {x.dtype}")
    return arrays
