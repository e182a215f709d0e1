"""The same call of other libraries: NumPy and torch on the CPU; torch and CLBlast on a GPU.

On a GPU a library's CPU path is no baseline: a ratio to it says nothing. What a library lacks is left out; what it
gives in another dtype, or wrong, is left out with a note; see `problem`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import clblast, numpy_calls, torch_calls
from .cost import known, output
from .cpu.case import wrong
from .cpu.data import host, torch_module
from .subproblem import part
from .sweeps import family
from .workload import Workload, op_spec

Call = Callable[[], Any]

About = tuple[str, str, dict[str, Any]]
"""Family, name and keywords of an op."""


def calls(workload: Workload, operands: list[np.ndarray], device_kind: str, threads: int) -> dict[str, Call]:
    """A call of each library that has the op, by its name; each returns when the work is done. On a CPU the operands'
    memory is shared, on a GPU they are copied there first. threads: of torch on the CPU.

    The first call may raise whatever a library raises for what it lacks.
    """
    spec = op_spec(workload)
    if spec is None:
        return {}
    about = (family(spec), spec.name, dict(workload.keywords))
    found: dict[str, Call | None] = {}
    if device_kind in ("gpu", "accelerator"):
        found |= _torch_gpu(about, operands)
    else:
        of_numpy = numpy_calls.function(*about, workload.dtype)
        found["numpy"] = None if of_numpy is None else partial(of_numpy, *operands)
        found["torch"] = _torch(about, operands, threads)
    if family(spec) == "matmul":
        found["clblast"] = clblast.gemm(operands, device_kind)
    return {name: call for name, call in found.items() if call is not None}


def _torch(about: About, operands: list[np.ndarray], threads: int) -> Call | None:
    torch = torch_module()
    if torch is None or (function := torch_calls.function(torch, *about)) is None:
        return None
    torch.set_num_threads(threads)
    return partial(function, *(torch_calls.tensor(torch, x) for x in operands))


def _torch_gpu(about: About, operands: list[np.ndarray]) -> dict[str, Call]:
    """By the name of the kind of GPU, so that nobody takes one for another."""
    torch = torch_module()
    if torch is None or (function := torch_calls.function(torch, *about)) is None:
        return {}
    kind = torch_calls.gpu(torch)
    if kind is None:
        return {}
    tensors = [torch_calls.tensor(torch, x).to(kind) for x in operands]
    return {f"torch-{kind}": torch_calls.synchronised(getattr(torch, kind), partial(function, *tensors))}


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
