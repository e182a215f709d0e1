"""Numbers for people: three significant digits and a prefix. None is what a device did not tell."""

from __future__ import annotations

import re
from math import floor, isfinite, log10

UNKNOWN = "–"
"""Stands where there is no number."""

DECIMAL = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def digits(value: float, count: int = 3) -> str:
    """A number with at least so many significant digits and no exponent: 1.20, 12.0, 120, 1234."""
    if not isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    places = max(count - 1 - floor(log10(abs(value))), 0)
    rounded = round(value, places)
    if rounded and floor(log10(abs(rounded))) > floor(log10(abs(value))):  # 9.999 became 10.00
        places = max(places - 1, 0)
    return f"{rounded:.{places}f}"


def prefixed(value: float | None, unit: str, prefixes: tuple[tuple[float, str], ...] = DECIMAL) -> str:
    """A number with the largest prefix that leaves at least 1 before the point, after rounding."""
    if value is None:
        return UNKNOWN
    if not isfinite(value) or value == 0:
        return f"{value:g} {unit}".rstrip()
    for size, prefix in prefixes:
        if abs(value) >= size * 0.9995 or size == prefixes[-1][0]:
            return f"{digits(value / size)} {prefix}{unit}".rstrip()
    raise AssertionError("the last prefix takes every number")


def time(seconds: float | None) -> str:
    """Seconds as s, ms, µs or ns."""
    return prefixed(seconds, "s", SMALL)


def tick(words: str) -> str:
    """A number at an axis, which is round: 50 GB/s for 50.0 GB/s."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", r"\1", words).replace(". ", " ")


def bandwidth(rate: float | None) -> str:
    """Bytes per second as GB/s and the like (powers of ten)."""
    return prefixed(rate, "B/s")


def compute(rate: float | None, dtype: str | None) -> str:
    """Operations per second: FLOP/s of a floating dtype, OP/s of any other."""
    return prefixed(rate, "FLOP/s" if dtype is None or "float" in dtype else "OP/s")


def size(nbytes: float | None) -> str:
    """Bytes as KiB, MiB and the like (powers of two); whole numbers stay whole."""
    if nbytes is None:
        return UNKNOWN
    for unit, name in BINARY:
        if nbytes >= unit or unit == 1:
            number = nbytes / unit
            return f"{number:.0f} {name}" if number == int(number) else f"{digits(number)} {name}"
    raise AssertionError("the last unit takes every number")


def percent(share: float | None) -> str:
    """A share of 1: 86%, 8.6%, 0.86%; never 0% of what is not nothing."""
    if share is None:
        return UNKNOWN
    value = share * 100
    return f"{value:.0f}%" if abs(value) >= 9.95 or value == 0 else f"{digits(value, 2)}%"


def ratio(value: float | None) -> str:
    """A ratio of two times: 1.23×."""
    return UNKNOWN if value is None else f"{digits(value)}×"


def quantity(value: float | None, unit: str, dtype: str | None = None) -> str:
    """The value of a probe in its unit: B/s, op/s, s, 1/s, or 1 for a ratio."""
    if value is None:
        return UNKNOWN
    if unit == "s":
        return time(value)
    if unit == "op/s":
        return compute(value, dtype)
    if unit == "1":
        return percent(value)
    if unit == "1/s":
        return prefixed(value, "").rstrip() + " /s" if value < 1e3 else prefixed(value, "/s")
    return prefixed(value, unit)


def whole(number: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: 1 case, 2 cases."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
