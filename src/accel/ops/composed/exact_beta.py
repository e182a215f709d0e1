"""The beta function and its logarithm in extended precision: both arguments are raised to 20 and more by the recurrence
of the gamma function, where its series has all the digits, and Stirling's formula of the three gammas is one of
logarithms of quotients."""

from __future__ import annotations

import numpy as np

SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400, 43867 / 244188)
RAISED = 20


def _rest(x: np.ndarray) -> np.ndarray:
    """What Stirling's formula leaves of log(gamma(x))."""
    total = np.zeros_like(x)
    for c in reversed(SERIES):
        total = total / (x * x) + np.longdouble(c)
    return total / x


def betaln(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    p, q = (x.astype(np.longdouble) for x in np.broadcast_arrays(x1, x2))
    p, q = np.maximum(p, q), np.minimum(p, q)
    whole = np.ones_like(p)
    value = np.zeros_like(p)
    with np.errstate(all="ignore"):
        for argument in (0, 1):
            for _ in range(RAISED):
                low = (p, q)[argument] < RAISED
                factor = np.where(low, 1 + (q, p)[argument] / (p, q)[argument], 1)  # (p + q) / p
                value = value + np.log(factor)
                p, q = (p + low, q) if argument == 0 else (p, q + low)
        p, q = np.maximum(p, q), np.minimum(p, q)
        value = value - (p - 0.5) * np.log1p(q / p) - q * np.log1p(p / q) - np.log(q) / 2
        value = value + np.log(8 * np.arctan(whole)) / 2 + (_rest(q) + (_rest(p) - _rest(p + q)))
    smallest, most = np.minimum(x1, x2).astype(np.float64), np.maximum(x1, x2).astype(np.float64)
    value = np.where(np.isinf(most), -np.inf, value)
    value = np.where(smallest == 0, np.inf, value)
    return np.where(smallest < 0, np.nan, np.where(np.isnan(smallest + most), np.nan, value))


def beta(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.exp(betaln(x1, x2))
