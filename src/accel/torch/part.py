"""Nodes of an FX graph as a fused function of accel, and why a node cannot be in one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node
from torch.fx.node import map_arg
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._python_dispatch import _len_torch_dispatch_stack as _modes

import accel

from ..array import Array
from ..devices import default_device
from ..errors import AccelError, UnsupportedError
from ..fuse import fuse, graph_of
from ..layout import Layout, layout
from .aten import TABLE, Wanted
from .aten.table import dtype_of, refuse_unless


def is_views(node: Node) -> bool:
    """Whether a node of the table moves nothing."""
    entry = TABLE.get(node.target)
    return node.target is operator.getitem or (entry is not None and entry.views)


def wanted_of(value: Any) -> Any:
    """What is wanted, of an operator's result as torch describes it."""
    if isinstance(value, (tuple, list)):
        return tuple(map(wanted_of, value))
    return None if value is None else Wanted(dtype_of(value.dtype), tuple(value.shape), default_device())


def refusal(node: Node) -> str | None:
    """Why accel does not compute a node; None where it does. Its rule is traced on arrays as torch describes them."""
    if node.op != "call_function" or node.target not in TABLE:
        return "accel has no rule for this operator"
    try:
        operands = node.all_input_nodes
        layouts = tuple(_layout(x.meta["val"]) for x in operands)
        wanted = wanted_of(node.meta["val"])
        _check_place(node.meta["val"])
        made = traced(lambda *arrays: computed(node, wanted, dict(zip(operands, arrays, strict=True))), layouts)
    except AccelError as error:
        return str(error).split("; the traced function stands at")[0]
    several = wanted if isinstance(wanted, tuple) else (wanted,)
    for its, y in zip(several, made, strict=True):
        if its is not None and (y.dtype, y.shape) != (its.dtype, its.shape):
            return f"accel gives {y.dtype} {y.shape} where torch gives {its.dtype} {its.shape}"
    return None


def computed(node: Node, wanted: Any, values: dict[Node, Any]) -> Any:
    """A node's result of its operands'."""
    args, keywords = map_arg((node.args, node.kwargs), values.__getitem__)
    if node.target is operator.getitem:
        return args[0][args[1]]
    return TABLE[node.target].rule(wanted, *args, **keywords)


def _layout(value: Any) -> Layout:
    refuse_unless(isinstance(value, torch.Tensor), "an operand is no tensor")
    _check_place(value)
    return layout(dtype_of(value.dtype), tuple(value.shape), tuple(value.stride()), default_device())


def _check_place(value: Any) -> None:
    for x in value if isinstance(value, (tuple, list)) else (value,):
        if x is None:
            continue
        if x.layout is not torch.strided or not x.device.type == "cpu":
            raise UnsupportedError(f"a {x.layout} tensor on {x.device}: only dense ones on the CPU are taken")


def traced(function: Callable[..., Any], layouts: Sequence[Layout]) -> tuple[Any, ...]:
    """The results of a function of arrays, traced on layouts and one number."""
    made: list[Any] = []

    def body(number: Array, *arrays: Array) -> Any:
        result = function(*arrays)
        made.extend(result if isinstance(result, tuple) else (result,))
        return number, *[x for x in made if x is not None]

    graph_of(body, "aten", (layout(accel.float32, (), None, default_device()), *layouts))
    return tuple(made)


class Part(torch.nn.Module):
    """Nodes of a graph, as one function of tensors that accel compiles.

    inputs, outputs: values that it takes and gives. Results lie as torch says they do.
    """

    def __init__(self, name: str, nodes: Sequence[Node], inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        super().__init__()
        steps = [(node, None if node.target is operator.getitem else wanted_of(node.meta["val"])) for node in nodes]
        strides = [tuple(node.meta["val"].stride()) for node in outputs]
        inputs = tuple(inputs)

        def part(*arrays: Array) -> tuple[Array, ...]:
            values: dict[Node, Any] = dict(zip(inputs, arrays, strict=True))
            for node, wanted in steps:
                values[node] = computed(node, wanted, values)
            return tuple(lain(values[node], its) for node, its in zip(outputs, strides, strict=True))

        part.__name__ = part.__qualname__ = name
        self.fused = fuse(part)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if _modes():  # they watch torch's operators, and have seen these when the graph was made
            with _disable_current_modes():
                return self.fused(*tensors)
        return self.fused(*tensors)


def lain(x: Array, strides: Sequence[int]) -> Array:
    """An array whose axes follow each other in memory as those of a tensor with these strides do."""
    long = [axis for axis, n in enumerate(x.shape) if n > 1]
    if 0 in x.shape or all(x.strides[axis] == strides[axis] for axis in long):
        return x
    order = sorted(range(x.ndim), key=lambda axis: -strides[axis])
    back = [order.index(axis) for axis in range(x.ndim)]
    return accel.copy(x.permute(order)).permute(back)
