"""Every function of the array API standard has exactly the standard's signature; what is missing is listed here."""

from __future__ import annotations

import importlib
import inspect

import pytest
from standard_signatures import FFT, LINALG, MAIN

import accel

MISSING: dict[str, set[str]] = {}
"""By namespace: names of the standard that accel does not have yet."""

EXTENDED = {"matmul": "a, b, /, *, dtype=None)"}
"""Signatures with more keywords than the standard's; the names of positional-only arguments are no part of a call."""

TABLE = [("", *line.split("(", 1)) for line in MAIN.split("\n") if line]
TABLE += [("linalg", *line.split("(", 1)) for line in LINALG.split("\n") if line]
TABLE += [("fft", *line.split("(", 1)) for line in FFT.split("\n") if line]


def stated(function) -> str:
    signature = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))[1:]


def found(namespace: str, name: str):
    try:
        where = importlib.import_module(f"accel.{namespace}") if namespace else accel
    except ModuleNotFoundError:
        return None
    return getattr(where, name, None)


@pytest.mark.parametrize(("namespace", "name", "want"), TABLE, ids=[f"{n}.{f}".lstrip(".") for n, f, _ in TABLE])
def test_the_signature_of(namespace, name, want):
    function = found(namespace, name)
    if name in MISSING.get(namespace, ()):
        assert function is None, f"{name} is there: take it off the list of what is missing"
    else:
        assert function is not None and stated(function) == EXTENDED.get(name, want)


def test_the_standard_is_whole():
    """135 functions and one that describes them; 25 and 14 of the extensions."""
    sizes = [sum(n == namespace for n, _, _ in TABLE) for namespace in ("", "linalg", "fft")]
    assert sizes == [136, 25, 14]
