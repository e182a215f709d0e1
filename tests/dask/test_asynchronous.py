"""A client that is awaited: its workers are looked at before it computes chunked arrays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import dask
import pytest
from chunked import equal_bits, numbers
from distributed import Client, LocalCluster

import accel
import accel.dask as ad
from accel.numerics import BIT_CONTRACT, BLOCK


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[Client]:
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    async with LocalCluster(**options, asynchronous=True) as cluster, Client(cluster, asynchronous=True) as made:
        yield made


def test_it_computes_after_a_check():
    x = numbers(1, (6, BLOCK + 50), "float32")

    async def run() -> None:
        async with client() as made:
            d = ad.from_array(x, (4, 1000))
            for start in (made.compute, made.persist):
                with pytest.raises(accel.ArgumentError, match=r"after `await accel\.dask\.check\(client\)`"):
                    start(ad.sum(d))
            devices = await ad.check(made)
            assert list(devices.values()) == [str(accel.default_device())]
            kept = made.persist(ad.exp2(d))
            assert equal_bits(await made.compute(ad.sum(kept)), accel.sum(accel.exp2(x)))
            with dask.config.set(scheduler=None), pytest.raises(RuntimeError, match="asynchronous Client"):
                ad.sum(d).compute()

    asyncio.run(run())


def test_another_contract_is_refused(monkeypatch):
    async def run() -> None:
        async with client() as made:
            monkeypatch.setattr(accel, "BIT_CONTRACT", 99)
            with pytest.raises(accel.BackendUnavailableError, match=f"version 99 .*version {BIT_CONTRACT} of"):
                await ad.check(made)

    asyncio.run(run())
