"""Like in, like out: foreign arrays become `Array`s at a public function's door, its result becomes their kind again.

    operands                                 result
    an `Array` beside anything               `Array`
    a torch tensor beside NumPy              torch tensor
    a pyopencl array beside NumPy            pyopencl array
    NumPy arrays, NumPy scalars              NumPy array
    a torch tensor beside a pyopencl array   refused

Python scalars are weak and go anywhere; so do NumPy scalars, which are arrays without axes in every other respect. Host
arrays go to the default device where nothing else says where the call is, or to a device that has the host's memory;
beside anything that lives in another memory they are refused, as nothing moves silently.

A torch tensor is taken where it is plain memory and nothing records what is computed: inside vmap, grad, functionalize,
jit.trace, make_fx and export it is refused. A torch.library.custom_op that calls accel is called at every run.

A framework is looked at only where the caller has imported it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from itertools import compress
from typing import Any

import numpy as np

from .. import _core, dispatch, layout
from ..array import Array
from ..backends.base import Device
from ..cache import Cache
from ..config import config
from ..conversion import constant, from_numpy, number, to_numpy
from ..devices import DEFAULTS, default_device
from ..dtypes import BY_NUMPY, DType, as_dtype, check_scalar, promote, scalar_dtype
from ..errors import ArgumentError, DeviceError, DtypeError, shown
from ..holder import HOLDERS
from . import numpy as numpy_arrays

Restore = Callable[[Any], Any]
"""Of a result: an Array, or a tuple of them, each of which is restored."""

SCALARS = (bool, int, float, complex)


def unchanged(result: Any) -> Any:
    """The restore of a call whose operands were `Array`s."""
    return result


def _each(restore: Callable[[Array], Any]) -> Restore:
    return lambda result: tuple(map(restore, result)) if isinstance(result, tuple) else restore(result)


_restore_numpy = _each(to_numpy)


def is_scalar(value: Any) -> bool:
    """Whether a value is a Python scalar (np.float64 is a float to Python, and a NumPy scalar here)."""
    return isinstance(value, SCALARS) and not isinstance(value, np.generic)


def library(value: Any) -> Any:
    """The module of this package that knows a foreign array's kind, or None.

    Each has ``to_array(value, home, argument)``, ``from_array(array, example)``, ``device_of(value)``, which is None
    for the host's memory, and ``overwrite(value, array)``, which casts an array's elements into a foreign one.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return numpy_arrays
    if (found := KNOWN.get(type(value))) is not None:
        return found
    for base, name in _imported():
        if issubclass(type(value), base):  # whatever __class__ the value pretends to have
            return _known(base, name)
    return None


KNOWN: dict[type, Any] = {}
"""The modules of this package by the types of arrays that were met, NumPy's left out."""


EXCHANGES: dict[type, Any] = {}
"""By the types of tensors whose library lets C++ read and make them (DLPack 1.2): the `_core.Exchange` that does, which
the module of this package has as ``EXCHANGE``."""


def _imported() -> Iterator[tuple[type, str]]:
    """The arrays' class of each framework that the caller has imported, and the name of the module that knows it."""
    for framework, kind, name in (("torch", "Tensor", "torch"), ("pyopencl.array", "Array", "pyopencl")):
        base = getattr(sys.modules.get(framework), kind, None)
        if base is not None:
            yield base, name


def load_libraries() -> None:
    """Imports the modules of this package that know the arrays of frameworks that the caller has imported."""
    for base, name in _imported():
        _known(base, name)


def _known(base: type, name: str) -> Any:
    """The module of this package of that name, known from now on by its arrays' class and by those of its ``KINDS``."""
    module = importlib.import_module(f".{name}", __name__)
    kinds = (base, *getattr(module, "KINDS", ()))
    KNOWN.update(dict.fromkeys(kinds, module))
    if (exchange := getattr(module, "EXCHANGE", None)) is not None:
        EXCHANGES.update(dict.fromkeys(kinds, exchange))
    return module


def is_array(value: Any) -> bool:
    """Whether a value is an array of a kind that public functions take."""
    return isinstance(value, Array) or library(value) is not None


def dtype_of(argument: str, value: Any) -> DType:
    """The dtype of an array of any kind, or the one that a value stands for. Raises DtypeError."""
    if isinstance(value, Array):
        return value.dtype
    return as_dtype(value.dtype if library(value) is not None else value, argument)


def adopt(op: str, /, **values: Any) -> tuple[list[Any], Restore]:
    """The operands as `Array`s, Python scalars left as they are, and what turns the result back.

    values: operands by argument name, at least one of them an array. Raises ArgumentError for anything that is no array
    and for torch and pyopencl arrays in one call, DeviceError for a host array beside one in another memory.
    """
    operands = list(values.values())
    kinds = {type(x) for x in operands}
    if kinds == _ARRAYS:
        return operands, unchanged
    if kinds == _NUMPY:
        home = default_device()
        try:
            return [from_numpy(x, home) for x in operands], _restore_numpy
        except DtypeError:
            return _adopt(op, values)  # which raises it with the operand's name
    if Array in kinds and kinds <= _ARRAYS_AND_SCALARS:
        return operands, unchanged
    return _adopt(op, values)


_ARRAYS, _NUMPY, _ARRAYS_AND_SCALARS = {Array}, {np.ndarray}, {Array, *SCALARS}


def arrays(op: str, /, **values: Any) -> tuple[list[Array], Restore]:
    """The same where no operand may be a scalar. Raises ArgumentError."""
    operands, restore = adopt(op, **values)
    for name, x in zip(values, operands, strict=True):
        if not isinstance(x, Array):
            raise ArgumentError(f"{op}: {name}: expected an array, got the scalar {shown(x)}")
    return operands, restore


def _adopt(op: str, values: dict[str, Any]) -> tuple[list[Any], Restore]:
    held = {name: HOLDERS[type(x)].array(op, name, x) for name, x in values.items() if type(x) in HOLDERS}
    if held:  # the others say what kind the result is of
        others = {name: x for name, x in values.items() if name not in held}
        arrays, restore = adopt(op, **others) if others else ([], unchanged)
        left = iter(arrays)
        return [held[name] if name in held else next(left) for name in values], restore
    libraries: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Array) or is_scalar(value):
            continue
        libraries[name] = found = library(value)
        if found is None:
            raise ArgumentError(
                f"{op}: {name}: expected an accel.Array, a NumPy array, a torch tensor or a pyopencl array, got "
                f"{_kind(value)}; accel.asarray or accel.from_dlpack may convert it"
            )
    leader = next((name for name, value in values.items() if isinstance(value, Array)), None)
    foreign = [name for name, module in libraries.items() if module is not numpy_arrays]
    if len({libraries[name] for name in foreign}) > 1:
        raise ArgumentError(
            f"{op}: {' and '.join(foreign)}: a torch tensor and a pyopencl array in one call; convert one"
        )
    if leader is None and not libraries:
        raise ArgumentError(f"{op}: expected at least one array among {', '.join(values)}, got Python scalars only")
    home, owner = _home(values, libraries, leader, foreign)
    result = []
    for name, value in values.items():
        module = libraries.get(name)
        if module is None:
            result.append(value)
            continue
        if owner is not None and not isinstance(value, np.generic) and module.device_of(value) is None:
            raise DeviceError(
                f"{op}: {name} is in the host's memory ({_kind(value)}) and {owner} is on {home}; nothing moves "
                f"silently: pass accel.asarray({name}, device={str(home)!r})"
            )
        if isinstance(value, np.generic) and (dtype := BY_NUMPY.get(value.dtype)) is not None:
            result.append(constant(number(value), dtype, home))  # as a Python scalar is, and kept like one
            continue
        result.append(module.to_array(value, home, f"{op}: {name}"))
    if leader is not None:
        return result, unchanged
    if not foreign:
        return result, _restore_numpy
    example = values[foreign[0]]
    return result, _each(lambda array: libraries[foreign[0]].from_array(array, example))


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _home(
    values: dict[str, Any], libraries: dict[str, Any], leader: str | None, foreign: list[str]
) -> tuple[Device, str | None]:
    """The device of the call: where an operand lives already, else the default device; and the operand, if any, whose
    memory is not the host's."""
    if leader is not None:
        home = values[leader].device
        return home, None if home.host else leader
    for name in foreign:
        found = libraries[name].device_of(values[name])
        if found is not None:
            return found, name
    return default_device(), None


def _enter(spec: Any, operands: tuple[Any, ...], params: Any) -> Any:
    """A public function's call where the operands are no plain arrays of one kind."""
    given = getattr(params, "given", None)  # of a composed op, any operand may be left out; of others, the last
    names = spec.arguments[: len(operands)] if given is None else tuple(compress(spec.arguments, given))
    arrays, restore = adopt(spec.name, **dict(zip(names, operands, strict=True)))
    if spec.scalars:
        arrays = scalars(spec.name, names, arrays)
    for name, x in zip(names, arrays, strict=True):
        if not isinstance(x, Array):
            raise ArgumentError(f"{spec.name}: {name}: expected an array, got the scalar {x!r}")
    return restore(dispatch.call(spec, arrays, params))


_scalars: Cache[tuple[Any, ...], Array] = Cache(512)

enter = _core.Door(
    dispatch.call,
    _enter,
    to_numpy,
    config.scope,
    config.snapshots,
    DEFAULTS,
    BY_NUMPY,
    layout.INTERNED,
    _scalars,
    EXCHANGES,
)
"""enter(spec, operands, params=None): what a public function does whose operands go to its op as they are. `Array`s,
plain NumPy arrays or plain tensors of the host, and Python scalars beside them that were met before, take a short way;
`_enter` does the rest."""


def scalars(op: str, names: tuple[str, ...], operands: list[Any]) -> list[Array]:
    """Python scalars turned into arrays: weak ones, which take the dtype of the arrays beside them."""
    arrays = [x for x in operands if isinstance(x, Array)]
    if len(arrays) == len(operands):
        return operands
    device = arrays[0].device
    common: DType = arrays[0].dtype if len(arrays) == 1 else promote(*(x.dtype for x in arrays))
    result = []
    for name, value in zip(names, operands, strict=True):
        if not isinstance(value, Array):
            # -0.0 would be found as 0.0
            known = type(value) is not complex and (value or not isinstance(value, float) or not np.signbit(value))
            key = (value, type(value), common, device)
            found = _scalars.find(key) if known else None
            if found is None:
                dtype = scalar_dtype(value, common)
                check_scalar(value, dtype, f"{op}: {name}")
                found = constant(value, dtype, device)
                if known:
                    _scalars.keep(key, found)
            value = found
        result.append(value)
    return result
