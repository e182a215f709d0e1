"""What a worker does when it joins: it looks at its version of the bit contract."""

from __future__ import annotations

from typing import Any

from distributed import WorkerPlugin

from ..errors import BackendUnavailableError
from ..numerics import BIT_CONTRACT
from .work import serving


class Contract(WorkerPlugin):
    """Closes workers with another version of the bit contract than the client's."""

    name = "accel"

    def __init__(self, version: int) -> None:
        self._version = version

    def setup(self, worker: Any) -> None:
        """Raises BackendUnavailableError, which distributed logs; it would keep the worker."""
        if self._version != BIT_CONTRACT:
            reason = (
                f"worker {worker.address} has version {BIT_CONTRACT} of the bit contract, and the client version "
                f"{self._version}: results would differ"
            )
            worker.loop.add_callback(worker.close, reason=reason)
            raise BackendUnavailableError(reason)
        serving.append(worker.address)
