"""Compiled OpenCL programs: kept in the process, and as the device's binaries in the cache folder.

pyopencl has a disk cache of its own. It guards it by a lock file, which a killed process leaves behind: every later
build then waits a minute and fails. Here a binary is written to the side and renamed, so there is nothing to lock and
nothing half written.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import cache_folder
from ..errors import CompileError
from . import opencl_query
from .compiling import compiling
from .opencl_library import library

if TYPE_CHECKING:
    import pyopencl

FOLDER = "opencl"
"""Of the cache folder."""

SUM = 32
"""Bytes of a kept binary's SHA-256, which stands before it."""


def digest(*parts: str) -> str:
    """A file name for what these parts determine."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def identity(device: pyopencl.Device) -> tuple[str, ...]:
    """What a binary depends on beside its source. The vector widths tell apart CPUs that share a name and a cache
    folder."""
    platform = device.platform
    widths = f"{device.native_vector_width_char},{device.native_vector_width_float},{device.native_vector_width_double}"
    return (
        *(platform.name, platform.vendor, platform.version),
        *(device.name, device.vendor, device.version, device.driver_version, device.extensions, widths),
    )


def build(
    context: Any, devices: Sequence[pyopencl.Device], name: str, source: str, options: tuple[str, ...]
) -> pyopencl.Program:
    """The program built for all of a context's devices, from the cache folder where it is there. name: how errors call
    it.

    Raises CompileError with the compiler's log and the path of the source; pyopencl's error where memory runs out.
    """
    cl = library()

    names = [f"{digest(source, *options, *identity(device))}.bin" for device in devices]
    kept = [cache_folder.read(FOLDER, name, _whole) for name in names]
    binaries = [binary[SUM:] for binary in kept if binary is not None]
    with compiling(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # pyopencl warns of every log that is not empty; some compilers always write one
        if len(binaries) == len(devices) and (program := _load(context, devices, binaries, options)) is not None:
            return program
        program = cl.Program(context, source)
        program.num_devices  # noqa: B018  asking before the build turns pyopencl's own cache off
        try:
            program.build(list(options))
        except cl.Error as error:
            if opencl_query.out_of_memory(error):
                raise
            raise CompileError(_failure(devices[0], name, source, options, error)) from None
        try:
            binaries = program.binaries
        except cl.Error:  # a driver need not give its binaries
            return program
        with contextlib.suppress(OSError):
            whole = (hashlib.sha256(binary).digest() + binary for binary in binaries)
            cache_folder.keep(FOLDER, dict(zip(names, whole, strict=True)))
        # A program built from source keeps its compiler's state: 3 MB with Intel's CPU runtime, against 0.5 MB from
        # its binary.
        return _load(context, devices, binaries, options) or program


def _load(
    context: Any, devices: Sequence[pyopencl.Device], binaries: Sequence[bytes], options: tuple[str, ...]
) -> pyopencl.Program | None:
    """The program of the devices' binaries, or None where the driver refuses them."""
    cl = library()

    try:
        return cl.Program(context, list(devices), list(binaries)).build(list(options))
    except cl.Error as error:
        if opencl_query.out_of_memory(error):
            raise
        return None


def _whole(data: bytes) -> bool:
    """Whether a kept file is the digest of a binary and that binary."""
    return hashlib.sha256(data[SUM:]).digest() == data[:SUM]


def _failure(device: Any, name: str, source: str, options: tuple[str, ...], error: Exception) -> str:
    try:
        name_of_source = f"failed-{digest(source, *options)}.cl"
        where = str(cache_folder.keep(FOLDER, {name_of_source: source.encode()}) / name_of_source)
    except OSError as reason:
        where = f"not written: {reason}"
    return (
        f"opencl: {name} does not compile for {device.name} ({device.platform.name}): {error}\n"
        f"options: {' '.join(options)}\nsource: {where}"
    )
