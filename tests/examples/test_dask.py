"""examples/dask_pca.py and climate.py: the hash of accel on one array, for any chunks and any number of workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import accel

pytest.importorskip("dask", reason="Dask is not installed: it is in the extra dask")

import dask
from distributed import Client, LocalCluster

import accel.dask as ad
from examples import climate, dask_pca
from examples.weights import sha256

POINTS = {"rows": 5000, "features": 12, "groups": 4, "seed": 3}
SHAPE = (70, 9, 24)


@contextlib.contextmanager
def cluster(count: int, **options: object) -> Iterator[Client]:
    made = {"processes": False, "dashboard_address": ":0", "threads_per_worker": 1, **options}
    with LocalCluster(n_workers=count, **made) as its, Client(its) as client:
        yield client


def points(chunk: int | None) -> str:
    """The hash of what the command computes; products go chunk by chunk, as for much data."""
    with dask.config.set({"array.chunk-size": "1 kB"}):
        return sha256(*dask_pca.results(dask_pca.data(chunk=chunk, **POINTS), 3, 1))


@pytest.fixture(scope="module")
def wanted() -> str:
    """Of one array in one process."""
    return points(None)


@pytest.fixture(scope="module")
def zarr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("zarr", reason="zarr is not installed")
    path = tmp_path_factory.mktemp("climate") / "field.zarr"
    with dask.config.set(scheduler="sync"):
        climate.write(path, SHAPE, 5)
    return path


CHUNKINGS = (None, (16, 9, 24), (70, 2, 7))


def latitudes(path: Path, chunks: object) -> str:
    return sha256(*climate.results(path, chunks))


@pytest.mark.parametrize("chunk", [5000, 2100, 900])
def test_components_and_clusters_in_chunks(wanted, chunk):
    with dask.config.set(scheduler="sync"):
        assert points(chunk) == wanted


@pytest.mark.parametrize("chunks", CHUNKINGS)
def test_latitudes_in_chunks(zarr, chunks):
    whole = climate.by_latitude(accel.asarray(ad.from_zarr(str(zarr)).to_numpy(scheduler="sync")))
    with dask.config.set(scheduler="sync"):
        assert latitudes(zarr, chunks) == sha256(*whole)


@pytest.mark.parametrize(("count", "chunk", "chunks"), [(1, 2100, 0), (2, 1300, 1), (4, 2500, 2)])
def test_any_number_of_workers(wanted, zarr, count, chunk, chunks):
    with dask.config.set(scheduler="sync"):
        of_one = latitudes(zarr, -1)
    with cluster(count) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == count
        assert points(chunk) == wanted and latitudes(zarr, CHUNKINGS[chunks]) == of_one


def test_another_order_has_another_hash(wanted, zarr):
    """The control: the same rows from the last to the first, and one element of the field that is off by one bit."""
    x = dask_pca.data(chunk=None, **POINTS)
    assert sha256(*dask_pca.results(x[::-1], 3, 1)) != wanted
    y = ad.from_zarr(str(zarr)).to_numpy(scheduler="sync")
    before = sha256(*climate.by_latitude(accel.asarray(y)))
    y[3, 4, 5] = np.nextafter(y[3, 4, 5], np.float32(np.inf))
    assert sha256(*climate.by_latitude(accel.asarray(y))) != before


def test_what_is_found():
    """Centres are near those that points were drawn around, directions are NumPy's, and the wave of the field is 5."""
    x = dask_pca.data(chunk=500, **POINTS)
    with dask.config.set(scheduler="sync"):
        mean, values, vectors = dask_pca.components(x, 3)
        elements = x.to_numpy().astype(np.float64)
        field = climate.field((365, 8, 24), 1).to_numpy().astype(np.float64)
    theirs = np.linalg.eigh(np.cov(elements.T))
    assert np.allclose(mean, elements.mean(axis=0), atol=1e-4)
    assert np.allclose(values, theirs.eigenvalues[::-1][:3], rtol=1e-4)
    turned = np.abs(np.sum(np.asarray(vectors) * theirs.eigenvectors[:, ::-1][:, :3], axis=0))
    assert np.allclose(turned, 1, atol=1e-4)
    mean, globe, power = map(np.asarray, climate.by_latitude(accel.asarray(field.astype(np.float32))))
    assert np.allclose(mean, field.mean(axis=(0, 2)), rtol=1e-5)
    spectrum = np.abs(np.fft.rfft(field - field.mean(axis=(0, 2))[:, None], axis=2, norm="forward")) ** 2
    assert np.allclose(power, spectrum.mean(axis=0), rtol=1e-3)
    assert (power[:, 1:].argmax(axis=1) + 1 == 5).all() and 280 < globe < 295


def with_a_limit(count: int, chunk: int) -> str:
    """The hash of points that so many processes, each with a limit of memory that they do not fit in, find."""
    with (
        dask.config.set({"array.chunk-size": "8 MiB", "distributed.worker.daemon": False}),
        cluster(count, processes=True, memory_limit="500 MiB") as client,
    ):
        x = dask_pca.data(rows=1_400_000, features=100, groups=4, seed=3, chunk=chunk)
        its = client.scheduler_info(n_workers=-1)["workers"].values()
        assert len(its) == count and all(x.nbytes > each["memory_limit"] == 500 * 2**20 for each in its)
        before = client.run(lambda dask_worker: dask_worker.id)
        found = sha256(*dask_pca.results(x, 3, 1))
        assert client.run(lambda dask_worker: dask_worker.id) == before  # none was killed for its memory
    return found


@pytest.mark.slow
def test_more_data_than_a_worker_holds():
    assert len({with_a_limit(count, chunk) for count, chunk in ((1, 40000), (2, 25000), (4, 16384))}) == 1
