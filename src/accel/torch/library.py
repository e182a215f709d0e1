"""accel's ops as operators of torch: importing this registers them, as ``torch.ops.accel.softmax`` and so on.

Each public op of the op table whose arguments torch's schemas can say is an operator of its name, with the arguments of
accel's function: tensors, optional tensors, numbers, lists of integers, booleans, words and dtypes. They run under
torch.compile with any backend, in torch.export, under torch.vmap and torch.func, and autograd records them; shapes and
dtypes without elements come from the op's trace, derivatives are accel's. See docs/torch.md.
"""

from __future__ import annotations

from typing import Any

import torch

from . import library_batches as batches
from .aten.table import TABLE, Entry
from .library_operator import DERIVATIVE, OPERATORS, VJP_SCHEMA, Kernels, Operator, pulled
from .library_schema import UNFIT, signatures

NAMESPACE = "accel"

_library = torch.library.Library(NAMESPACE, "FRAGMENT")


def _register(its: Kernels, schema: str, vmap: Any) -> None:
    _library.define(schema)
    for key in ("CPU", "CUDA"):
        _library.impl(its.name, its.kernel, key)
    _library.impl(its.name, its.meta, "Meta")
    _library.impl(its.name, its.autograd, "Autograd", with_keyset=True)
    if vmap is not None:
        _library.impl(its.name, batches.kernel(its, vmap), "FuncTorchBatched", with_keyset=True)


def _register_all() -> None:
    for signature in signatures():
        its = OPERATORS[signature.name] = Operator(signature)
        rule = batches.rule_of(signature)

        def vmap(info: Any, in_dims: Any, *args: Any, its: Operator = its, rule: Any = rule) -> Any:
            return batches.batched(its, rule, in_dims, args)

        _register(its, signature.schema, None if rule is None else vmap)
        TABLE[its.overload] = Entry(lambda wanted, *args, its=its, **named: its.compute(*args, **named))
    _register(DERIVATIVE, VJP_SCHEMA, lambda info, in_dims, *args: batches.looped(DERIVATIVE, in_dims, args))
    TABLE[DERIVATIVE.overload] = Entry(lambda wanted, *args: pulled(*args))


_register_all()

__all__ = ["NAMESPACE", "OPERATORS", "UNFIT"]
