"""One process and one thread, where a test asks for no other scheduler."""

from collections.abc import Iterator

import dask
import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with dask.config.set(scheduler="sync"):
        yield
