"""The tables: op specs, backends and, through each backend, kernels. One door for what ships with accel and what does
not."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import threading
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ._core import FloatEnvironment
from .backends.base import API_VERSION, Backend, BackendInfo, Kernel
from .dtypes import DType
from .errors import AccelError, BackendUnavailableError, ConfigError, DtypeError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .layout import Layout
    from .ops.spec import OpSpec, Primitive

OPS: dict[str, OpSpec] = {}
"""All op specs by name."""

PRIMITIVES: dict[str, Primitive] = {}
"""What ops are made of, by name."""

COMPLEX: dict[OpSpec, OpSpec] = {}
"""What takes the place of ops where numbers are complex."""

_lock = threading.RLock()
_backends: dict[str, Backend | BackendUnavailableError] = {}


def register(spec: OpSpec) -> OpSpec:
    """Adds a row to the op table; its name must be new."""
    if spec.name in OPS:
        raise ValueError(f"there is an op {spec.name!r} already")
    OPS[spec.name] = spec
    return spec


def register_primitive(made: Primitive) -> Primitive:
    """Adds a primitive; its name must be new."""
    if made.name in PRIMITIVES:
        raise ValueError(f"there is a primitive {made.name!r} already")
    PRIMITIVES[made.name] = made
    return made


def served(spec: OpSpec, layouts: tuple[Layout, ...], params: Any) -> OpSpec:
    """The op that serves a call: the op itself, or its rule where numbers are complex. A composed op needs none, as
    those that its body calls have theirs. Raises DtypeError where there is no rule."""
    if not (any(x.dtype.kind == "c" for x in layouts) or (isinstance(params, DType) and params.kind == "c")):
        return spec
    found = COMPLEX.get(spec)
    if found is not None:
        return found
    if spec.decompose is None or spec.name == "pointwise":
        given = ", ".join(str(x.dtype) for x in layouts)
        raise DtypeError(f"{spec.name}: takes no complex numbers, got {given}; real and imag give their parts")
    return spec


def primitive(name: str) -> Primitive:
    """The primitive of that name. Raises AccelError where none is registered."""
    if name not in PRIMITIVES:
        raise AccelError(f"the primitive {name} is not registered; there are {', '.join(sorted(PRIMITIVES))}")
    return PRIMITIVES[name]


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, tuple[EntryPoint, EntryPoint | None]]:
    """(factory, info) by backend name, the built-in ones first."""
    factories, infos = (_by_name(group) for group in ("accel.backends", "accel.backend_info"))
    names = sorted(factories, key=lambda name: (not factories[name].value.startswith("accel."), name))
    return {name: (factories[name], infos.get(name)) for name in names}


def _by_name(group: str) -> dict[str, EntryPoint]:
    """A group's entry points by name; of two of one name accel's own, so that no plug-in replaces a built-in
    backend."""
    from importlib.metadata import entry_points

    points = sorted(entry_points(group=group), key=lambda point: point.value.startswith("accel."))
    return {point.name: point for point in points}


def backend_names() -> tuple[str, ...]:
    """Names of all registered backends, usable or not."""
    return tuple(_entry_points())


def backend_info(name: str) -> BackendInfo:
    """A backend's metadata, or what is wrong with them; no driver is imported."""
    _known(name)
    try:
        return _metadata(name)
    except BackendUnavailableError as error:
        return BackendInfo(name, str(error))


def _metadata(name: str) -> BackendInfo:
    point = _entry_points()[name][1]
    if point is None:
        return BackendInfo(name, "an out-of-tree backend without metadata (group accel.backend_info)")
    what = f"backend {name!r}: its metadata, {point.value},"
    try:
        info = point.load()
    except Exception as error:
        raise BackendUnavailableError(f"{what} failed to load: {type(error).__name__}: {error}") from None
    if not isinstance(info, BackendInfo):
        raise BackendUnavailableError(f"{what} is of type {type(info).__name__}; expected a BackendInfo")
    return info


def _known(name: str) -> None:
    if name not in _entry_points():
        known = ", ".join(_entry_points()) or "none: accel runs from source, pip install . there registers them"
        raise ConfigError(f"unknown backend {name!r}; registered backends: {known}")


def backend(name: str) -> Backend:
    """The backend of that name, started. A failure is remembered and raised again as BackendUnavailableError."""
    found = _backends.get(name)
    if found is None:
        _check_running(name)
        _known(name)
        with _lock:
            found = _backends.get(name)
            if found is None:
                found = _backends[name] = _start(name)
    if isinstance(found, BackendUnavailableError):
        raise found.with_traceback(None)
    return found


def _check_running(name: str) -> None:
    """Raises BackendUnavailableError where nothing can be imported any more."""
    if sys.is_finalizing():
        raise BackendUnavailableError(
            f"backend {name!r}: the interpreter is shutting down, and this backend was not used before"
        )


def _start(name: str) -> Backend | BackendUnavailableError:
    try:
        info = _metadata(name)
    except BackendUnavailableError as error:
        return error
    if info.api_version != API_VERSION:
        return BackendUnavailableError(
            f"backend {name!r} was written for version {info.api_version} of accel's backend contract; "
            f"this accel has version {API_VERSION}: install a matching release of it "
            "(docs/backend-contract.md says what changed, and how to move a kernel)"
        )
    try:
        with FloatEnvironment():  # which threads that a driver starts inherit
            started = _entry_points()[name][0].load()()
            started.devices()
    except BackendUnavailableError as error:
        return error
    except ConfigError:  # a setting outside its grammar is no failure of the backend's: nothing to remember
        raise
    except (Exception, SystemExit) as error:
        return BackendUnavailableError(f"backend {name!r} failed to start: {type(error).__name__}: {error}")
    return started


@cache
def kernels(backend_name: str) -> tuple[Kernel, ...]:
    """All kernel rows of a backend, from the modules of its kernel package."""
    started = backend(backend_name)
    _check_running(backend_name)
    package = importlib.import_module(started.kernels)
    rows: list[Kernel] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
        rows += getattr(importlib.import_module(f"{package.__name__}.{module.name}"), "KERNELS", ())
    return tuple(rows)


def op(name: str) -> OpSpec:
    """The op of that name."""
    return OPS[name]


def _reduce(self: Backend) -> tuple[Any, ...]:
    return backend, (self.name,)


Backend.__reduce__ = _reduce  # type: ignore[method-assign]  # one of a name in a process


def unavailable(name: str) -> str | None:
    """Why a backend cannot be used, or None."""
    try:
        backend(name)
    except AccelError as error:
        return str(error)
    return None


def started(name: str) -> bool:
    """Whether a backend has been started in this process; starts nothing."""
    return isinstance(_backends.get(name), Backend)
