"""Principal components and k-means of data that no worker needs to hold, with the same bits on any number of them.

    python -m examples.dask_pca
    python -m examples.dask_pca --chunk 1500

The data is drawn again whenever it is read: a task draws the numbers of its own rows, which follow from their places in
the whole array, and forgets them. What is kept is a few numbers for each feature.
"""

from __future__ import annotations

from typing import Any

import click
import dask

import accel
import accel.dask as ad

from .cluster import options, workers
from .weights import sha256


def drawn(rng: Any, rows: int, features: int, groups: int, centres: accel.Array, **chunks: Any) -> Any:
    """Points around centres (groups, features), each with noise of another size along each feature: (rows, features).

    rng: a generator of accel.dask.random, with chunks={"chunks": rows of a chunk}; or one of accel.random.
    """
    whole = {name: (n, -1) for name, n in chunks.items()}
    group = rng.integers(0, groups, (rows,), **chunks)
    noise = rng.normal(0.0, 1.0, (rows, features), **whole)
    size = 1.0 / (1.0 + accel.arange(features, dtype="float32"))
    library = accel if isinstance(noise, accel.Array) else ad
    return library.astype(group[:, None] == accel.arange(groups), accel.float32) @ centres + noise * size


def here(x: Any) -> accel.Array:
    """An array in memory: a chunked one is computed now."""
    return x.compute() if isinstance(x, ad.Array) else x


def components(x: Any, count: int) -> tuple[accel.Array, accel.Array, accel.Array]:
    """The mean (features,), the largest variances (count,) and their directions (features, count). x: (rows, features),
    chunked or not. Two passes over it."""
    mean = here(x.mean(axis=0) if isinstance(x, ad.Array) else accel.mean(x, axis=0))
    apart = x - mean
    scatter = here(apart.T @ apart)
    values, vectors = accel.linalg.eigh(scatter / float(x.shape[0] - 1))
    return mean, values[::-1][:count], vectors[:, ::-1][:, :count]


def clusters(x: Any, count: int, steps: int) -> tuple[accel.Array, accel.Array]:
    """Lloyd's k-means from the first points on: the centres (count, features), and how many points each has. A pass
    over x for each step."""
    library = ad if isinstance(x, ad.Array) else accel
    centres = here(x[:count])
    sizes = accel.zeros((count,))
    for _ in range(steps):
        distance = accel.sum(accel.square(centres), axis=1) - 2.0 * (x @ centres.T)
        nearest = library.argmin(distance, axis=1)
        own = library.astype(nearest[:, None] == accel.arange(count), accel.float32)
        total, size = (own.T @ x), library.sum(own, axis=0)
        total, size = dask.compute(total, size) if library is ad else (total, size)
        centres = accel.where(size[:, None] > 0.0, total / accel.maximum(size, 1.0)[:, None], centres)
        sizes = size
    return centres, sizes


def results(x: Any, count: int, steps: int) -> list[accel.Array]:
    """All that the command prints the hash of."""
    return [*components(x, count), *clusters(x, count, steps)]


def data(rows: int, features: int, groups: int, seed: int, chunk: int | None) -> Any:
    """The points; chunk: rows of a chunk, None: all in memory."""
    centres = accel.random.default_rng(seed + 1, "cpu").normal(0.0, 3.0, (groups, features))
    if chunk is None:
        return drawn(accel.random.default_rng(seed), rows, features, groups, centres)
    return drawn(ad.random.default_rng(seed), rows, features, groups, centres, chunks=chunk)


@click.command()
@options
@click.option("--rows", type=click.IntRange(2), default=20000, show_default=True, help="Points.")
@click.option("--features", type=click.IntRange(1), default=64, show_default=True)
@click.option("--groups", type=click.IntRange(1), default=8, show_default=True, help="Clusters that there are.")
@click.option("--chunk", type=click.IntRange(1), default=4000, show_default=True, help="Points of a chunk.")
@click.option("--steps", type=click.IntRange(1), default=4, show_default=True, help="Of k-means.")
def main(
    count: int, memory: str | None, seed: int, rows: int, features: int, groups: int, chunk: int, steps: int
) -> None:
    """Prints the largest variances, the clusters' sizes, and the SHA-256 of all that was computed."""
    with workers(count, memory), dask.config.set({"array.chunk-size": "16 MiB"}):  # products go chunk by chunk above
        x = data(rows, features, groups, seed, chunk)
        made = results(x, min(groups, features), steps)
    click.echo(f"{x.nbytes / 2**20:.1f} MiB in {x.npartitions} chunks")
    click.echo(f"variances {' '.join(f'{float(v):.4g}' for v in made[1])}")
    click.echo(f"sizes {' '.join(str(int(n)) for n in made[-1])}")
    click.echo(f"SHA-256: {sha256(*made)}")


if __name__ == "__main__":
    main()
