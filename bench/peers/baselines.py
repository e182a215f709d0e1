"""The same call of other libraries: NumPy and torch on the CPU; torch and CLBlast on a GPU.

On a GPU a library's CPU path is no baseline: a ratio to it says nothing. What a library lacks is left out; what it
gives in another dtype, or wrong, is left out with a note; see `problem`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..cases.case import Workload
from ..cases.cost import output
from ..cases.subproblem import part
from ..cases.sweeps import family
from ..cases.workload import first, known, op_spec
from . import clblast, numpy_calls, torch_calls
from .answers import host, torch_module, wrong

Call = Callable[[], Any]

COMPILED = ("numpy", "torch")
"""Baselines that are compiled: a first call of seconds is what they take, where others' may have compiled kernels."""

About = tuple[str, str, dict[str, Any]]
"""Family, name and keywords of an op."""


def calls(workload: Workload, operands: list[np.ndarray], device_kind: str, threads: int) -> dict[str, Call]:
    """A call of each library that has the op, by its name; each returns when the work is done. On a CPU the operands'
    memory is shared, on a GPU they are copied there first. threads: of torch on the CPU.

    The first call may raise whatever a library raises for what it lacks, or raised when the operands were placed.
    """
    spec = op_spec(workload)
    if spec is None:
        return {}
    about = (family(spec), spec.name, dict(workload.keywords))
    torch = torch_module()
    makers: dict[str, Callable[[], Call | None]] = {}
    if device_kind in ("gpu", "accelerator"):
        kind = None if torch is None else torch_calls.gpu(torch)
        if kind is not None:  # in the name, so that nobody takes one for another
            makers[f"torch-{kind}"] = partial(_torch_gpu, torch, kind, about, operands)
    else:
        makers["numpy"] = partial(_numpy, about, workload.dtype, operands)
        if torch is not None:
            makers["torch"] = partial(_torch, torch, about, operands, threads)
    if family(spec) == "matmul":
        makers["clblast"] = partial(clblast.gemm, operands, device_kind)
    made = {name: _made(make) for name, make in makers.items()}
    return {name: call for name, call in made.items() if call is not None}


def _made(make: Callable[[], Call | None]) -> Call | None:
    """What `make` makes; where it fails, a call that raises the same."""
    try:
        return make()
    except Exception as error:  # whatever a library raises
        return partial(_raise, error)


def _raise(error: Exception) -> None:
    raise error


def _numpy(about: About, dtype: str, operands: list[np.ndarray]) -> Call | None:
    function = numpy_calls.function(*about, dtype)
    return None if function is None else partial(function, *operands)


def _torch(torch: Any, about: About, operands: list[np.ndarray], threads: int) -> Call | None:
    function = torch_calls.function(torch, *about)
    if function is None:
        return None
    torch.set_num_threads(threads)
    return partial(function, *(torch_calls.tensor(torch, x) for x in operands))


def _torch_gpu(torch: Any, kind: str, about: About, operands: list[np.ndarray]) -> Call | None:
    function = torch_calls.function(torch, *about)
    if function is None:
        return None
    tensors = [torch_calls.tensor(torch, x).to(kind) for x in operands]
    return torch_calls.synchronised(getattr(torch, kind), partial(function, *tensors))


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
        return wrong(np.asarray(some.take(got)), np.asarray(first(spec.reference(*some.operands, **some.keywords))))


def _host(result: Any) -> np.ndarray:
    """A NumPy array of a library's result, which may be on another device."""
    for method in ("cpu", "get"):  # torch, pyopencl
        if not isinstance(result, np.ndarray) and hasattr(result, method):
            result = getattr(result, method)()
    return host(result)
