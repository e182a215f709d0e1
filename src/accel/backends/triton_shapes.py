"""Shapes and types in Triton's interpreter, kept: for every value that a kernel makes, Triton builds them anew from
objects that stand for constants, which takes longer than NumPy's work on a block. And what it only looks at when it
debugs, whether sums and products of integers overflow, is computed then alone."""

from __future__ import annotations

import math
from functools import cache
from typing import Any


@cache
def _dimensions(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """What a tensor has for its shape and its number of elements."""
    import triton.language as tl

    return tl.tuple([tl.constexpr(n) for n in shape]), tl.constexpr(math.prod(shape))


def keep_shapes(scope: Any) -> None:
    """Replaces what makes types and tensors by what finds them again, until the scope is restored in which Triton's
    interpreter patches its language."""
    import triton.language as tl
    from triton.language.semantic import TritonSemantic
    from triton.runtime import interpreter

    sanitized = "binary_op_sanitize_overflow_impl"
    for owner, name, replacement in (
        (tl.block_type, "__init__", _block_type(tl.block_type.__init__)),
        (tl.tensor, "__init__", _tensor),
        (TritonSemantic, "broadcast_impl_value", _broadcast(TritonSemantic.broadcast_impl_value)),
        (TritonSemantic, sanitized, _when_debugging(getattr(TritonSemantic, sanitized))),
        (interpreter, "_get_np_dtype", _by_name(interpreter._get_np_dtype)),
    ):
        scope.set_attr(owner, name, replacement)


_BLOCKS: dict[tuple[str, tuple[Any, ...]], tuple[Any, int, str]] = {}


@cache
def _block_type(original: Any) -> Any:
    def init(self: Any, element_ty: Any, shape: Any) -> None:
        key = element_ty.name, tuple(shape)
        found = _BLOCKS.get(key)
        if found is None:
            original(self, element_ty, shape)
            _BLOCKS[key] = self.shape, self.numel, self.name
        else:
            self.element_ty = element_ty
            self.shape, self.numel, self.name = found

    return init


def _tensor(self: Any, handle: Any, type: Any) -> None:
    self.handle, self.type, self.dtype = handle, type, type.scalar
    self.shape, self.numel = _dimensions(tuple(type.shape) if type.is_block() else ())


@cache
def _broadcast(original: Any) -> Any:
    def broadcast(self: Any, lhs: Any, rhs: Any) -> Any:
        a, b = lhs.type, rhs.type
        if a.is_block() and b.is_block() and tuple(a.shape) == tuple(b.shape):
            return lhs, rhs
        return original(self, lhs, rhs)

    return broadcast


@cache
def _when_debugging(original: Any) -> Any:
    def sanitize(self: Any, *operands: Any) -> None:
        if self.builder.options.debug:
            original(self, *operands)

    return sanitize


@cache
def _by_name(original: Any) -> Any:
    found: dict[str, Any] = {}

    def dtype(its: Any) -> Any:
        name = its.scalar.name
        if name not in found:
            found[name] = original(its)
        return found[name]

    return dtype
