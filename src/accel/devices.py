"""Which devices there are, how they are named, and which one serves when none is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from . import registry
from .backends.base import Backend, Device
from .config import CHECKS, Settings, config
from .errors import AccelError, BackendUnavailableError, DeviceError

AUTOMATIC = ("triton", "opencl", "cpu")
"""The order in which backends are considered where none is named."""


DEFAULTS: dict[Settings, Device] = {}
"""The default device under each settings it was asked for."""


def devices() -> tuple[Device, ...]:
    """Every device of every backend that can be used."""
    found: list[Device] = []
    for name in registry.backend_names():
        if registry.unavailable(name) is None:
            found += registry.backend(name).devices()
    return tuple(found)


def device(name: str | Device) -> Device:
    """The device of a name, such as ``cpu``, ``opencl:0``, ``opencl:intel`` or ``triton:emulated-sm_80``.

    Raises DeviceError where there is no such device and BackendUnavailableError where its backend cannot be used.
    """
    if isinstance(name, Device):
        return name
    if not isinstance(name, str):
        raise DeviceError(f"device: expected a name or a device, got {type(name).__name__}")
    backend_name, _, selector = name.strip().partition(":")
    if backend_name not in registry.backend_names():
        raise DeviceError(
            f"device: {name!r} names no backend; registered backends: {', '.join(registry.backend_names())}"
        )
    backend = registry.backend(backend_name)
    found = backend.device(selector) if selector else _first(backend, listed_alone=True)
    if found is None:
        have = ", ".join(f"{d} ({d.description})" for d in backend.devices()) or "none"
        raise DeviceError(f"device: there is no {name!r}; the devices of {backend_name} are: {have}")
    return found


def _unpickled(name: str) -> Device:
    try:
        return device(name)
    except AccelError as error:
        raise DeviceError(f"unpickling: the device {name} is not here ({error})") from error


def _reduce(self: Device) -> tuple[Any, ...]:
    return _unpickled, (self.name,)


Device.__reduce__ = _reduce  # type: ignore[method-assign]  # by name, which only this module can look up


def _first(backend: Backend, listed_alone: bool) -> Device | None:
    allowed = ("automatic", "listed") if listed_alone else ("automatic",)
    return next((d for want in allowed for d in backend.devices() if d.selection == want), None)


def default_device() -> Device:
    """The device that host arrays are computed on: ACCEL_DEVICE, else the first fitting one of ACCEL_BACKEND, else
    automatic."""
    settings = config.current()
    found = DEFAULTS.get(settings)
    if found is None:
        found = DEFAULTS[settings] = _default(settings)
    return found


def _default(settings: Settings) -> Device:
    if settings.device is not None:
        with naming("device"):
            return device(settings.device)
    if settings.backend is None:
        for name in AUTOMATIC:
            if registry.unavailable(name) is None and (found := _first(registry.backend(name), listed_alone=False)):
                return found
        raise BackendUnavailableError("no backend can be used, not even cpu: " + (registry.unavailable("cpu") or ""))
    reasons = []
    for name in settings.backend:
        try:
            backend = registry.backend(name)
        except AccelError as error:
            reasons.append(f"{name}: {error}")
            continue
        if found := _first(backend, listed_alone=len(settings.backend) == 1):
            return found
        have = ", ".join(str(d) for d in backend.devices()) or "none"
        why = backend.nothing_automatic()
        why = "it has no device that is used without being named" if why is None else why
        reasons.append(f"{name}: {why}; its devices: {have}")
    chosen = f"{config.origin('backend')}={','.join(settings.backend)}"
    raise BackendUnavailableError(f"{chosen}: no backend of the list can be used\n  " + "\n  ".join(reasons))


@contextlib.contextmanager
def naming(option: str) -> Iterator[None]:
    """Errors of devices and backends raised inside name the variable, attribute or context that chose them."""
    try:
        yield
    except (DeviceError, BackendUnavailableError) as error:
        raise type(error)(f"{config.origin(option)}: {error}") from error


def backend_device(name: str) -> Device:
    """The device that an operation sent to a backend by ACCEL_OVERRIDE runs on."""
    with naming("override"):
        found = _first(registry.backend(name), listed_alone=True)
        if found is None:
            raise DeviceError(f"backend {name!r} has no device that is used without being named")
    return found


def _check_device(name: str) -> None:
    _check_backends((name.partition(":")[0],))


def _check_backends(names: Iterable[str]) -> None:
    for name in names:
        if name not in registry.backend_names():
            raise ValueError(f"unknown backend {name!r}; registered backends: {', '.join(registry.backend_names())}")


def _check_override(pairs: tuple[tuple[str, str], ...]) -> None:
    for op, _ in pairs:
        if op not in registry.OPS:
            raise ValueError(f"unknown op {op!r}; ops: {', '.join(sorted(registry.OPS))}")
    _check_backends(backend for _, backend in pairs)


CHECKS.update(device=_check_device, backend=_check_backends, override=_check_override)


def synchronize(which: str | Device | None = None) -> None:
    """Waits until all work queued on a device, or on every device in use, is done. Raises IndexError where that met an
    index out of range (`accel.config.check`)."""
    if which is not None:
        _settled(device(which))
        return
    for name in registry.backend_names():
        if registry.started(name):
            for each in registry.backend(name).devices():
                _settled(each)


def _settled(its: Device) -> None:
    its.synchronize()
    its.settle()
