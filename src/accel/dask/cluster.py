"""Workers of `distributed`: whether they compute what this process does, and how arrays travel between them."""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from ..array import Array
from ..conversion import from_numpy, to_numpy
from ..devices import default_device
from ..errors import ArgumentError, BackendUnavailableError, OutOfMemoryError
from ..numerics import BIT_CONTRACT
from .work import Waiting, serving

_checked: weakref.WeakSet[Any] = weakref.WeakSet()
_registered: set[str] = set()


def before_computing() -> None:
    """`check` of the client that is about to be used, once for each; nothing without one."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return
    try:
        client = distributed.get_client() if _on_worker(distributed) else distributed.default_client()
    except ValueError:
        return
    if client in _checked:
        return
    if client.asynchronous:
        raise ArgumentError(
            "an asynchronous client computes chunked arrays after `await accel.dask.check(client)`, which refuses "
            "workers of another version of the bit contract: their results would differ"
        )
    check(client)


def _on_worker(distributed: Any) -> bool:
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def _probe() -> Any:
    """What a process has: this travels by value, so that it needs no accel where it runs."""

    def probe() -> Any:
        try:
            import accel
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        try:
            device = str(accel.default_device())
        except Exception as error:
            device = f"{type(error).__name__}: {error}"
        return accel.__version__, accel.BIT_CONTRACT, device

    return probe


def check(client: Any) -> Any:
    """Looks at a `distributed.Client`'s workers before anything is computed, and at those that join later.

    Returns the device of each worker by its address; of an asynchronous client, what gives them when it is awaited.
    Raises BackendUnavailableError where the scheduler or a worker has no accel, or one of another version of the bit
    contract; the message names both. It is called by itself when a chunked array is computed, once for each client, but
    for asynchronous ones, which raise ArgumentError until they were looked at.
    """
    register()
    if client.asynchronous:
        return _awaited(client)
    found = {"the scheduler": client.run_on_scheduler(_probe()), **client.run(_probe())}
    _judge(found)
    client.register_plugin(_plugin(), name="accel")
    return _passed(client, found)


async def _awaited(client: Any) -> dict[str, str]:
    """`check` of an asynchronous client."""
    found = {"the scheduler": await client.run_on_scheduler(_probe()), **await client.run(_probe())}
    _judge(found)
    await client.register_plugin(_plugin(), name="accel")
    return _passed(client, found)


def _passed(client: Any, found: dict[str, Any]) -> dict[str, str]:
    _checked.add(client)
    return {who: its[2] for who, its in found.items() if who != "the scheduler"}


def _judge(found: dict[str, Any]) -> None:
    """Raises BackendUnavailableError for what a process does not have. found: what each probe gave."""
    import accel

    mine = f"accel {accel.__version__} with version {BIT_CONTRACT} of the bit contract"
    for who, its in found.items():
        whose = who if who == "the scheduler" else f"worker {who}"
        if isinstance(its, str):
            raise BackendUnavailableError(f"{whose} has no accel ({its}); this process has {mine}")
        version, contract, _ = its
        if contract != BIT_CONTRACT:
            raise BackendUnavailableError(
                f"{whose} has accel {version} with version {contract} of the bit contract; this process has {mine}: "
                "results would differ"
            )


def _plugin() -> Any:
    from .plugin import Contract

    return Contract(BIT_CONTRACT)


def register() -> None:
    """Has `distributed` send arrays as their elements, which arrive on the default device of the process that takes
    them: a worker's device is its own, and the client need not have it. Nothing where distributed is not imported."""
    if "distributed" not in sys.modules or _registered:
        return
    _registered.add("distributed")
    from distributed.protocol import dask_deserialize, dask_serialize

    @dask_serialize.register(Array)
    def serialize(x: Array) -> tuple[dict[str, Any], list[Any]]:
        elements = np.ascontiguousarray(to_numpy(x))
        header = {"dtype": x.dtype.name, "shape": x.shape}
        return header, [memoryview(elements.reshape(-1).view(np.uint8))]

    @dask_deserialize.register(Array)
    def deserialize(header: dict[str, Any], frames: list[Any]) -> Array | Waiting:
        from ..dtypes import DTYPES

        elements = np.frombuffer(b"".join(frames), np.uint8) if len(frames) != 1 else np.frombuffer(frames[0], np.uint8)
        array = elements.view(DTYPES[header["dtype"]].numpy).reshape(header["shape"])
        try:
            return from_numpy(array, default_device(), copy=True)
        except OutOfMemoryError:
            if not serving:
                raise
            return Waiting(array)
