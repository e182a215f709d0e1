"""The mean and the spectrum of a field by latitude, from chunked Zarr files, with the same bits however they are read.

    python -m examples.climate
    python -m examples.climate --workers 2 --times 2000

The command writes the field first: temperatures (time, latitude, longitude) with waves, seasons and noise, a block of
times after the other. Needs the package zarr.
"""

from __future__ import annotations

import tempfile
from math import pi
from pathlib import Path
from typing import Any

import click
import numpy as np

import accel
import accel.dask as ad

from .cluster import options, workers
from .weights import sha256

BLOCK = 32
"""Times that are written at once."""


def latitudes(n: int) -> accel.Array:
    """From south to north, in radians, without the poles."""
    return (accel.arange(n, dtype="float32") + 0.5) * (pi / n) - pi / 2


def field(shape: tuple[int, int, int], seed: int) -> ad.Array:
    """Temperatures (time, latitude, longitude) in kelvin, chunks of BLOCK times."""
    times, north, east = shape
    rng = ad.random.default_rng(seed)
    noise = rng.normal(0.0, 2.0, shape, chunks=(BLOCK, -1, -1))
    lat = latitudes(north)[:, None]
    season = accel.cos(accel.arange(times, dtype="float32") * (2 * pi / 365))[:, None, None]
    wave = accel.sin(accel.arange(east, dtype="float32") * (2 * pi * 5 / east))
    steady = 300.0 - 40.0 * accel.square(accel.sin(lat)) + 6.0 * accel.cos(lat) * wave
    return noise + season * (-12.0 * accel.sin(lat)) + steady


def write(path: Any, shape: tuple[int, int, int], seed: int) -> None:
    """Writes the field as a Zarr array, in chunks that halve each axis of a block."""
    import zarr

    made = field(shape, seed)
    chunks = (BLOCK, -(-shape[1] // 2), -(-shape[2] // 2))
    store = zarr.create_array(store=str(path), shape=shape, chunks=chunks, dtype="float32")
    for start in range(0, shape[0], BLOCK):
        store[start : start + BLOCK] = made[start : start + BLOCK].to_numpy()


def by_latitude(x: Any) -> list[Any]:
    """The mean (latitude,), its mean over the area of the globe (), and the power of each wave along longitude
    (latitude, waves), a mean over time. x: (time, latitude, longitude), chunked or not."""
    library = ad if isinstance(x, ad.Array) else accel
    mean = library.mean(x, axis=(0, 2))
    area = accel.cos(latitudes(x.shape[1]))
    waves = library.fft.rfft(x - mean[:, None], axis=2, norm="forward")
    power = library.square(library.real(waves)) + library.square(library.imag(waves))
    return [mean, library.sum(mean * area) / accel.sum(area), library.mean(power, axis=0)]


def results(path: Any, chunks: Any) -> list[accel.Array]:
    """Those of a file, in one computation: each chunk is read once."""
    import dask

    return list(dask.compute(*by_latitude(ad.from_zarr(str(path), chunks=chunks))))


@click.command()
@options
@click.option("--times", type=click.IntRange(1), default=128, show_default=True)
@click.option("--north", type=click.IntRange(1), default=32, show_default=True, help="Latitudes.")
@click.option("--east", type=click.IntRange(2), default=64, show_default=True, help="Longitudes.")
@click.option("--chunks", type=(int, int, int), default=None, help="That tasks read; by default those of the file.")
def main(
    count: int,
    memory: str | None,
    seed: int,
    times: int,
    north: int,
    east: int,
    chunks: tuple[int, int, int] | None,
) -> None:
    """Prints the mean of the globe, the strongest wave of each fourth latitude, and the SHA-256 of all results."""
    with tempfile.TemporaryDirectory() as folder, workers(count, memory):
        path = Path(folder) / "field.zarr"
        write(path, (times, north, east), seed)
        mean, globe, power = results(path, chunks)
    click.echo(f"mean of the globe {float(globe):.3f} K")
    degrees = np.degrees(np.asarray(latitudes(north)))
    strongest = np.asarray(power)[:, 1:].argmax(axis=1) + 1
    for i in range(0, north, 4):
        click.echo(f"{degrees[i]:7.1f} degrees  mean {float(mean[i]):.2f} K  strongest wave {strongest[i]}")
    click.echo(f"SHA-256: {sha256(mean, globe, power)}")


if __name__ == "__main__":
    main()
