"""The same call of other libraries: NumPy and torch on the CPU; torch and CLBlast on a GPU.

On a GPU a library's CPU path is no baseline: a ratio to it says nothing. What a library lacks is left out; what it
gives in another dtype, or wrong, `sound` leaves out with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from . import clblast
from .cost import known, output
from .cpu.case import wrong
from .cpu.data import host, torch_module
from .peers import numpy_function, torch_function
from .subproblem import part
from .sweeps import family
from .workload import Workload, op_spec

Call = Callable[[], Any]
Keywords = dict[str, Any]


def calls(workload: Workload, operands: list[np.ndarray], device_kind: str, threads: int) -> dict[str, Call]:
    """A call of each library that has the op, by its name; each returns when the work is done. On a CPU the operands'
    memory is shared, on a GPU they are copied there first. threads: of torch on the CPU.

    The first call may raise whatever a library raises for what it lacks; see `sound`.
    """
    spec = op_spec(workload)
    if spec is None:
        return {}
    kind, keywords = family(spec), dict(workload.keywords)
    found: dict[str, Call] = {}
    torch = torch_module()
    if device_kind in ("gpu", "accelerator"):
        if torch is not None and (device := torch_device(torch)) is not None:
            tensors = [tensor(torch, x).to(device) for x in operands]
            if (function := of_torch(torch, kind, spec.name, keywords)) is not None:
                found[f"torch-{device}"] = _synchronised(getattr(torch, device), partial(function, *tensors))
    else:
        if (function := of_numpy(kind, spec.name, keywords, workload.dtype)) is not None:
            found["numpy"] = partial(function, *operands)
        if torch is not None and (function := of_torch(torch, kind, spec.name, keywords)) is not None:
            torch.set_num_threads(threads)
            found["torch"] = partial(function, *(tensor(torch, x) for x in operands))
    if kind == "matmul" and (product := clblast.gemm(operands, device_kind)) is not None:
        found["clblast"] = product
    return found


def torch_device(torch: ModuleType) -> str | None:
    """``cuda`` or ``xpu``, where torch sees such a device."""
    for name in ("cuda", "xpu"):
        module = getattr(torch, name, None)
        if module is not None and module.is_available():
            return name
    return None


def _synchronised(module: Any, call: Call) -> Call:
    def run() -> Any:
        result = call()
        module.synchronize()
        return result

    return run


def tensor(torch: ModuleType, x: np.ndarray) -> Any:
    """A tensor over an array's memory; torch takes bfloat16 as the integers of its bits."""
    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(x)


# NumPy

BLAS = ("float32", "float64")
"""NumPy's products of other dtypes are loops that nobody would use, or do not give the same dtype."""


def of_numpy(kind: str, name: str, keywords: Keywords, dtype: str) -> Callable[..., Any] | None:
    """NumPy's function of the operands, or None. NumPy has no bfloat16: only casts of it are timed."""
    if kind == "casts":
        target = _numpy_dtype(keywords["dtype"])
        return lambda x: x.astype(target)
    if dtype == "bfloat16":
        return None
    if kind == "matmul":
        return np.matmul if dtype in BLAS else None
    if kind == "linear":
        return _numpy_linear(keywords.get("activation")) if dtype in BLAS else None
    if kind == "reductions":
        return partial(getattr(np, name), **keywords) if hasattr(np, name) else None
    if kind == "softmax":
        return partial(COMPOSED[name], axis=keywords.get("axis", None if name == "logsumexp" else -1))
    if name in ("copy", "relu"):
        return np.copy if name == "copy" else _relu
    return np.clip if name == "clip" else numpy_function(name) if kind == "pointwise" else None


def _numpy_dtype(name: str) -> np.dtype:
    from ..dtypes import TABLE

    return TABLE[name].numpy


def _numpy_linear(activation: str | None) -> Callable[..., Any] | None:
    function = None if activation is None else _relu if activation == "relu" else numpy_function(activation)
    if activation is not None and function is None:
        return None

    def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        result = np.matmul(x, weight.T)
        if bias is not None:
            np.add(result, bias, out=result)
        return result if function is None else function(result)

    return linear


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(0))


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return np.divide(powers, powers.sum(axis, keepdims=True), out=powers)


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    distance = x - x.max(axis, keepdims=True)
    return np.subtract(distance, np.log(np.exp(distance).sum(axis, keepdims=True)), out=distance)


def _logsumexp(x: np.ndarray, axis: Any) -> np.ndarray:
    peak = x.max(axis, keepdims=True)
    return np.log(np.exp(x - peak).sum(axis)) + peak.squeeze(axis)


COMPOSED = {"softmax": _softmax, "log_softmax": _log_softmax, "logsumexp": _logsumexp}
"""What a user of NumPy writes."""

# torch

EXTREMES = {"max": "amax", "min": "amin"}
"""torch's names: its max along an axis gives indices too."""


def of_torch(torch: ModuleType, kind: str, name: str, keywords: Keywords) -> Callable[..., Any] | None:
    """torch's function of the tensors, or None."""
    functional = torch.nn.functional
    if kind == "casts":
        target = getattr(torch, keywords["dtype"])
        return lambda x: x.to(target)
    if kind == "matmul":
        return torch._int_mm if keywords.get("dtype") == "int32" else torch.matmul
    if kind == "linear":
        activation = keywords.get("activation")
        function = None if activation is None else torch_function(torch, activation)
        if activation is not None and function is None:
            return None
        return lambda *tensors: (function or _same)(functional.linear(*tensors))
    if kind in ("reductions", "softmax"):
        of_name = getattr(torch, EXTREMES.get(name, name), None)
        return None if of_name is None else partial(_along, torch, of_name, name, keywords)
    if name == "copy":
        return torch.clone
    return torch.clip if name == "clip" else torch_function(torch, name) if kind == "pointwise" else None


def _same(x: Any) -> Any:
    return x


def _along(torch: ModuleType, function: Callable[..., Any], name: str, keywords: Keywords, x: Any) -> Any:
    """A reduction or softmax with torch's arguments: dim for axis; no dim at all for all of them."""
    given = {"dtype": getattr(torch, keywords["dtype"])} if keywords.get("dtype") else {}
    axis = keywords.get("axis", -1 if name in ("softmax", "log_softmax") else None)
    if axis is None and name == "logsumexp":
        axis = tuple(range(x.ndim))
    if axis is None:
        return function(x, **given)
    if keywords.get("keepdims"):
        given["keepdim"] = True
    return function(x, axis, **given)


# whether they are right


def problem(workload: Workload, operands: list[np.ndarray], result: Any) -> str | None:
    """What is wrong with a library's result, in words, or None: its dtype, its shape, or a part of its elements, which
    are compared with the reference to about the precision of the dtype (the bit contract binds accel alone)."""
    got = _host(result)
    shape, dtype = output(workload)
    if got.dtype != dtype.numpy:
        return f"gives {got.dtype}, accel {dtype}"
    if got.shape != shape:
        return f"gives the shape {got.shape}, accel {shape}"
    spec = known(workload)
    some = part(spec, operands, dict(workload.keywords))
    with np.errstate(all="ignore"):
        return wrong(np.asarray(some.take(got)), np.asarray(spec.reference(*some.operands, **some.keywords)))


def _host(result: Any) -> np.ndarray:
    """A NumPy array of a library's result, which may be on another device."""
    for method in ("cpu", "get"):  # torch, pyopencl
        if not isinstance(result, np.ndarray) and hasattr(result, method):
            result = getattr(result, method)()
    return host(result)


def sound(
    workload: Workload, operands: list[np.ndarray], calls: Mapping[str, Call]
) -> tuple[dict[str, Call], list[str]]:
    """Those calls that give accel's dtype and shape and are right, and a note on each other one. Calls each once."""
    kept, notes = {}, []
    for name, call in calls.items():
        try:
            why = problem(workload, operands, call())
        except Exception as error:  # whatever a library raises for what it lacks
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if why is None:
            kept[name] = call
        else:
            notes.append(f"{name} left out: {why}")
    return kept, notes
