"""The end of the process: what a first call while the interpreter shuts down needs is imported before, as later nothing
can be (in ``__del__``, say)."""

from __future__ import annotations

import atexit
import contextlib

from . import cache_folder, interop, registry
from .creation import asarray
from .devices import DEFAULTS
from .errors import AccelError


def _import_what_calls_need() -> None:
    """The CPU backend, the kernels of the default devices' backends, and what knows the imported frameworks' arrays."""
    interop.load_libraries()
    backends = {"cpu", *(device.backend for device in DEFAULTS.values())}
    for name in backends:
        with contextlib.suppress(AccelError):  # a call would say it
            registry.kernels(name)
    if backends != {"cpu"}:
        cache_folder.of_the_user()
    with contextlib.suppress(AccelError):
        asarray([0.0], device="cpu")  # for what NumPy imports at a first use


atexit.register(_import_what_calls_need)
