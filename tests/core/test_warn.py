"""Warnings name the caller's line."""

from __future__ import annotations

import inspect
import tempfile
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

import accel
from accel import cache_folder, dispatch, registry


def here() -> int:
    return inspect.currentframe().f_back.f_lineno


def one(said: list[warnings.WarningMessage]) -> tuple[str, int]:
    (warning,) = said
    return warning.filename, warning.lineno


@pytest.fixture
def without_products(monkeypatch) -> Iterator[None]:
    """The null backend has no kernel for products."""
    rows = registry.kernels
    monkeypatch.setattr(
        registry, "kernels", lambda name: [row for row in rows(name) if name == "cpu" or row.op != "matmul"]
    )
    dispatch.forget()
    yield
    dispatch.forget()


@pytest.mark.parametrize("way", ["function", "operator", "namespace", "composed"])
def test_a_fallback_names_the_line_that_called(way, without_products):
    x = accel.asarray(np.ones((2, 2), np.float32), device="null:0")
    with pytest.warns(accel.FallbackWarning) as said:
        if way == "function":
            line = here() + 1
            accel.matmul(x, x)
        elif way == "operator":
            line = here() + 1
            x @ x
        elif way == "namespace":
            line = here() + 1
            x.__array_namespace__().matmul(x, x)
        else:
            line = here() + 1
            accel.nn.linear(x, x)
    assert one(said.list[:1]) == (__file__, line)


def test_a_cache_folder_that_cannot_be_written_names_the_line_that_called(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_folder, "_said", set())
    (tmp_path / "file").touch()
    with accel.config(cache_dir=str(tmp_path / "file")), pytest.warns(RuntimeWarning) as said:
        line = here() + 1
        folder = cache_folder.keep("kind", {"name": b"x"})
    assert one(said.list) == (__file__, line)
    assert folder.is_relative_to(tempfile.gettempdir())
