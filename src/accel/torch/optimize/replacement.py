"""What stands in the place of a module's forward, and when torch's own runs after all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.autograd import forward_ad

from ...config import config
from ...dispatch import FallbackWarning
from ...errors import ArgumentError, DeviceError, DtypeError, ShapeError, UnsupportedError
from ...fuse import LEAF
from ...warn import warn
from ..autograd import Passes, recorded

FLOATING = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class Left(Exception):
    """Raised where torch computes a call after all. Its text is the reason."""


class Replacement:
    """A module's forward by accel: a callable that stands as ``forward`` in the module's ``__dict__``, which copies and
    pickles of the module take along.

    kind: what it computes, in reports. name: of the module. numerics: those of its calls; None: those that are set.
    """

    kind: str

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None) -> None:
        self.module, self.name, self.numerics = module, name or "the model", numerics

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The module's result. What accel does not take is torch's, and is told of once (ACCEL_FALLBACK)."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return self.original(*args, **keywords)
        why = elsewhere()
        if why is None:
            try:
                return self.computed(*args, **keywords)
            except (Left, ArgumentError, DeviceError, DtypeError, ShapeError, UnsupportedError) as error:
                why = str(error).split("; the traced function stands at")[0]
        result = self.original(*args, **keywords)  # raises torch's error for what torch does not take either
        tell(self, why)
        return result

    def computed(self, *args: Any, **keywords: Any) -> Any:
        """The result by accel. Raises Left, or an error of accel's, where torch is to compute it."""
        raise NotImplementedError

    def original(self, *args: Any, **keywords: Any) -> Any:
        """The result by the forward of the module's class."""
        return type(self.module).forward(self.module, *args, **keywords)

    def run(self, function: Callable[..., Any], tensors: tuple[torch.Tensor, ...], /, **params: Any) -> Any:
        """A function of tensors, recorded by autograd where one of them requires gradients.

        function: of the module level, of torch tensors and accel's arrays alike, with hashable params.
        """
        if torch.is_grad_enabled() and any(x.requires_grad for x in tensors):
            its = passes(function, len(tensors), tuple(params.items()))
            return recorded(Named(its, f"{self.name} ({self.kind})", self.numerics), *tensors)
        with numerics_of(self.numerics):
            return function(*tensors, **params)


def forward_of(module: torch.nn.Module) -> Any:
    """The forward that a module's class has, as it is there; None for one of TorchScript's."""
    return None if isinstance(module, torch.jit.ScriptModule) else type(module).forward


@functools.lru_cache(512)
def passes(function: Callable[..., Any], n: int, params: tuple[tuple[str, Any], ...]) -> Passes:
    """Both passes of a function of n tensors, compiled once for all modules that compute the same."""
    structure = (tuple, ((tuple, (LEAF,) * n), (dict, ())))
    return Passes(functools.partial(function, **dict(params)), structure, function.__name__)


class Named:
    """Both passes by a module's name, which errors have, and under its numerics."""

    def __init__(self, its: Passes, name: str, numerics: str | None) -> None:
        self._its, self._numerics, self.name = its, numerics, name

    def forward(self, *tensors: torch.Tensor) -> Any:
        with numerics_of(self._numerics):
            return self._its.forward(*tensors)

    def backward(self, *args: Any) -> Any:
        with numerics_of(self._numerics):
            return self._its.backward(*args)


def numerics_of(numerics: str | None) -> AbstractContextManager[Any]:
    """A context of accel's settings with these numerics; None: with those that are set."""
    return nullcontext() if numerics is None else config(numerics=numerics)


def elsewhere() -> str | None:
    """Why nothing that is called now is accel's; None where it may be."""
    if torch._C._is_any_autocast_enabled():
        return "autocast chooses the dtypes"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "a transform of torch.func is at work"
    if getattr(forward_ad, "_current_level", -1) >= 0:
        return "torch records forward-mode derivatives"
    return None


_said: set[tuple[str, str]] = set()


def tell(its: Replacement, why: str) -> None:
    """Says once that torch computed a call of a replaced module. Raises UnsupportedError where it may not."""
    message = f"optimize: {its.name} ({its.kind}): {why}"
    mode = config.fallback
    if mode == "error":
        raise UnsupportedError(f"{message}; {config.origin('fallback')}=error forbids to leave it to torch")
    if mode == "warn" and (its.kind, why) not in _said:
        _said.add((its.kind, why))
        warn(f"{message}; torch computes such calls (said once; see ACCEL_FALLBACK)", FallbackWarning)
