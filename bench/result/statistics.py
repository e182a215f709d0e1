"""What the samples of a case say: how well its median is known, what disturbed it, and whether two runs differ.

Samples are seconds per call in the order in which they were taken. Nothing here assumes a distribution, and nothing is
dropped: what disturbs a median is flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, erfc, exp, hypot, inf, log, sqrt
from statistics import NormalDist, median, quantiles

import numpy as np

MAX_NOISE = 0.02
"""Half the width of the interval of the median, as a share of it, up to which a case is not noisy."""

BUSY = 0.5
"""Runnable processes per core at which a machine is called busy: baselines that wait for all their threads may then
take a thousand times as long as alone."""

DRIFT_LEVEL = 0.01
"""Chance that the test for a trend finds one in samples whose order means nothing."""

MODES_APART, MODES_APART_FEW, MODE_SHARE, MODES_SAMPLES = 4.0, 40.0, 0.2, 12
"""Two groups are two modes from an Ashman's D of 4 + 40 / n on; the least share of the smaller; the least n."""

THROTTLED_TIME, THROTTLED_CLOCK = 1.10, 0.95
"""Throttled: the last third of the samples takes this much longer than the first, or the clock falls below this share
of its highest reading."""

SLOW_FIRST_CALL, SLOW_FIRST_SECONDS = 10.0, 0.1
"""A first call is slow from so many medians, and so many seconds, on."""

BETWEEN_RUNS = 0.03
"""Half-width of what two runs of one build on one quiet machine differ by, as a share: memory placement, clocks and
neighbours change between processes, and no number of samples within one process shows it."""

PROCESS_SPREAD = 1.5
"""In a verdict, the median of each process counts so many times as far from that of all, as two or three processes
seldom show how far apart others would be."""

UNSTEADY = 0.05
"""How far the intervals of two processes are apart, as a share, from which on a case is unsteady."""

BETWEEN_RUNS_ROWS, BETWEEN_RUNS_WIDTH = 20, 2.5
"""Rows from which the variation between two runs is estimated from the rows themselves, and its width in standard
deviations."""

MIN_CORRELATED, MAX_CORRELATION = 10, 0.9
"""Samples from which their correlation is estimated, and the highest that is believed."""


def interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """An interval of the median that needs no assumption on the distribution: order statistics l and n + 1 - l with
    the largest l for which the binomial distribution (n, 1/2) gives at least the confidence (David and Nagaraja,
    Order Statistics, 2003, 7.1). All of the samples where they are too few."""
    ordered = sorted(samples)
    n = len(ordered)
    outside, rank = 0.0, 0
    while rank < n // 2:
        outside += 2 * comb(n, rank) / 2**n
        if outside > 1 - confidence:
            break
        rank += 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[n - rank]


def joint_interval(processes: Sequence[Sequence[float]]) -> tuple[float, float]:
    """What the intervals of all processes that timed a case lie in. Each process has a place in memory, a clock and
    neighbours of its own, which its samples share, so that their number says nothing of them."""
    ends = [interval(samples) for samples in processes]
    return min(low for low, _ in ends), max(high for _, high in ends)


def ratios(baseline: Sequence[float], own: Sequence[float]) -> list[float]:
    """The baseline's time over accel's in each round: what slows down both leaves them as they are."""
    return [theirs / ours if ours > 0 else inf for theirs, ours in zip(baseline, own, strict=True)]


def noise(samples: Sequence[float]) -> float:
    """Half the width of the 95% interval of the median, as a share of the median."""
    low, high = interval(samples)
    middle = median(samples)
    return (high - low) / 2 / middle if middle > 0 else inf


def unsteady(processes: Sequence[Sequence[float]]) -> bool:
    """Whether the processes that timed a case differ by more than `UNSTEADY` beyond their intervals."""
    ends = [interval(samples) for samples in processes]
    return max(low for low, _ in ends) > (1 + UNSTEADY) * min(high for _, high in ends)


def flags(
    samples: Sequence[float],
    max_noise: float = MAX_NOISE,
    clocks: Sequence[float] = (),
    first_call_s: float | None = None,
) -> list[str]:
    """What disturbs a case within one process: of noisy, drift, bimodal, throttled, slow-first-call.

    clocks: readings of the device's clock in Hz while the samples were taken, in their order. first_call_s: seconds.
    """
    if not samples:
        return []
    found = {
        "noisy": noise(samples) > max_noise,
        "drift": drift(samples, max_noise),
        "bimodal": bimodal(samples, max_noise),
        "throttled": throttled(samples, clocks),
        "slow-first-call": first_call_s is not None
        and first_call_s > max(SLOW_FIRST_CALL * median(samples), SLOW_FIRST_SECONDS),
    }
    return [name for name, is_so in found.items() if is_so]


def drift(samples: Sequence[float], least: float = MAX_NOISE) -> bool:
    """Whether the samples have a trend over time, and the medians of the first and last third differ by more than the
    share `least`.

    Mann-Kendall with the normal approximation, corrected for ties and continuity (Mann 1945; Kendall, Rank Correlation
    Methods, 1975), two-sided at 1%; 6 samples at least. A slow wander between the thirds counts as a drift.
    """
    n = len(samples)
    if n < 6 or abs(_last_over_first(samples) - 1) <= least:
        return False
    values = np.asarray(samples)
    score = float(np.triu(np.sign(values[None, :] - values[:, None])).sum())
    ties = np.unique(values, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    z = (abs(score) - 1) / sqrt(variance) if variance else 0.0
    return erfc(z / sqrt(2)) < DRIFT_LEVEL


def bimodal(samples: Sequence[float], least: float = MAX_NOISE) -> bool:
    """Whether the samples fall into two groups, whose medians differ by more than the share `least`.

    The split with the least variance within the groups (of logarithms; Otsu 1979), judged by Ashman's D (Ashman, Bird
    and Zepf 1994), the distance of the groups' means in units of their spread. The split of one normal distribution
    has D = 2.65, of a uniform one 3.46, and few samples scatter; two modes are called from 4 + 40 / n on, with 20% of
    the samples in the smaller, since a few outliers are no mode. False alarms over 400 seeds of normal, uniform,
    exponential and lognormal samples, n from 12 to 100: under 1%; where each sample is an outlier with a chance of
    10%: up to 7%. Two modes 10% apart, each with a noise of 1%, n = 20: found in 92% or more.
    """
    n = len(samples)
    if n < MODES_SAMPLES or min(samples) <= 0:
        return False
    ordered = np.log(np.sort(np.asarray(samples, dtype=float)))
    sizes = np.arange(1, n)
    centred = ordered - ordered.mean()
    sums, squares = np.cumsum(centred)[:-1], np.cumsum(centred**2)[:-1]
    within = (squares - sums**2 / sizes) + ((centred**2).sum() - squares - sums**2 / (n - sizes))
    cut = int(np.argmin(within)) + 1
    low, high = ordered[:cut], ordered[cut:]
    if min(cut, n - cut) < max(3, MODE_SHARE * n) or np.median(high) - np.median(low) <= log(1 + least):
        return False
    spread = sqrt((low.var(ddof=1) + high.var(ddof=1)) / 2)
    return bool(high.mean() - low.mean() > (MODES_APART + MODES_APART_FEW / n) * spread)


def throttled(samples: Sequence[float], clocks: Sequence[float] = ()) -> bool:
    """Whether the device became slower while it was measured: by its clock where it was read, and else by a drift
    upward of more than 10%."""
    if len(clocks) >= 3:
        return median(clocks[-(len(clocks) // 3) :]) < THROTTLED_CLOCK * max(clocks)
    return drift(samples, THROTTLED_TIME - 1) and _last_over_first(samples) > THROTTLED_TIME


def outliers(samples: Sequence[float]) -> int:
    """How many samples are further than three interquartile ranges from the quartiles (Tukey's far out). They are
    counted and never dropped: the median bears up to half of them."""
    if len(samples) < 4:
        return 0
    low, _, high = quantiles(samples, n=4, method="inclusive")
    reach = 3 * (high - low)
    return sum(not low - reach <= s <= high + reach for s in samples)


def _last_over_first(samples: Sequence[float]) -> float:
    """The median of the last third over that of the first."""
    third = max(len(samples) // 3, 1)
    return median(samples[-third:]) / median(samples[:third])


@dataclass(frozen=True)
class Verdict:
    """kind: of b against a: faster, slower, same or ambiguous. ratio: b's median time over a's; low, high: its 95%
    interval, from the samples alone."""

    kind: str
    ratio: float
    low: float
    high: float


def verdict(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    threshold: float = 0.05,
    between_runs: float = BETWEEN_RUNS,
) -> Verdict:
    """Whether the samples b are slower or faster than the samples a, with an interval of the ratio of their medians.
    a, b: the samples of each process of a run.

    The interval joins, in logarithms, the order-statistic intervals of both medians (MOVER: Zou and Donner 2008), each
    widened for the correlation of neighbouring samples, and reaching over those of all processes of its run (see
    `PROCESS_SPREAD`): what differs from process to process is no change. For a change, the variation between runs is
    joined too.

    slower     the interval, with the variation between runs, is above 1 and reaches 1 + threshold
    faster     the same of the inverse
    same       neither, and the interval from the samples is within a factor 1 + threshold of 1
    ambiguous  anything else: more samples, or a quieter machine, would tell

    So a true change of exactly the threshold is found, and a smaller one is not called a change unless the interval
    allows that it is one. Rates over 200 seeds of 20 samples each, lognormal, threshold 5%, called changed where
    nothing changed | found where b takes 5% longer | 10% longer:

    noise 1%                                           0% |  100% | 100%
    noise 2%                                           0% | 98.5% | 100%
    noise 5%                                         0.5% | 39.5% | 100%
    noise 2%, 7 samples                                0% |   48% | 100%
    noise 2%, neighbours correlate with 0.7            1% | 65.5% | 100%
    noise 2%, each run off by 1% as a whole          3.5% |   84% | 100%
    noise 2%, each run off by 2%                      23% |   72% | 99.5%

    What is missed is ambiguous, or the same where whole runs are off. The last line is why `between_runs` exists, and
    why a run times each case in several processes.
    Raises ValueError for no samples.
    """
    if not a or not b or not all((*a, *b)):
        raise ValueError("verdict: no samples")
    own, below_a, above_a = _reach(a)
    other, below_b, above_b = _reach(b)
    middle, floor, bar = other - own, log(1 + between_runs), log(1 + threshold)
    down, up = hypot(below_b, above_a), hypot(above_b, below_a)
    low, high = middle - down, middle + up
    least, most = middle - hypot(down, floor), middle + hypot(up, floor)
    if least > 0 and most >= bar:
        kind = "slower"
    elif most < 0 and least <= -bar:
        kind = "faster"
    elif -bar <= low and high <= bar:
        kind = "same"
    else:
        kind = "ambiguous"
    return Verdict(kind, exp(middle), exp(low) if low > -inf else 0.0, exp(high) if high < 700 else inf)


def between_runs(ratios: Sequence[float], threshold: float = 0.05) -> float:
    """Half-width of the variation between two runs, from the ratios of all their rows.

    What rows differ by beside a shift common to all: 2.5 standard deviations, from the median absolute deviation, which
    some changed rows do not move. At least BETWEEN_RUNS, which also serves fewer than 20 rows; at most twice the
    threshold, since rows of different devices differ for better reasons.
    """
    if len(ratios) < BETWEEN_RUNS_ROWS:
        return BETWEEN_RUNS
    logs = [log(r) for r in ratios]
    centre = median(logs)
    deviation = 1.4826 * median(abs(x - centre) for x in logs)
    return max(BETWEEN_RUNS, min(exp(BETWEEN_RUNS_WIDTH * deviation) - 1, 2 * threshold))


def _reach(processes: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The logarithm of the median of all samples, and how far the intervals of the processes reach below and above,
    each moved by `PROCESS_SPREAD`."""
    middle = log(median([s for samples in processes for s in samples]))
    below, above = zip(*(_widths(samples) for samples in processes), strict=True)
    offs = [PROCESS_SPREAD * (log(median(samples)) - middle) for samples in processes]
    return (
        middle,
        max(width - off for width, off in zip(below, offs, strict=True)),
        max(width + off for width, off in zip(above, offs, strict=True)),
    )


def _widths(samples: Sequence[float]) -> tuple[float, float]:
    """How far, in logarithms, the 95% interval of the median reaches below and above it.

    Widened by sqrt((1 + r) / (1 - r)) where neighbouring samples correlate with r (the effective number of samples of
    an autoregressive process), and to 95% of a normal distribution where all of too few samples hold less.
    """
    n = len(samples)
    if n < 2:
        return inf, inf
    low, high = interval(samples)
    wider = sqrt((1 + (r := correlation(samples))) / (1 - r))
    if n < 6:
        wider *= NormalDist().inv_cdf(0.975) / NormalDist().inv_cdf(1 - 0.5**n)
    return log(median(samples) / low) * wider, log(high / median(samples)) * wider


def correlation(samples: Sequence[float]) -> float:
    """Correlation of the ranks of neighbouring samples, from 0 to 0.9; 0 for fewer than 10 samples."""
    n = len(samples)
    if n < MIN_CORRELATED:
        return 0.0
    values, place = np.unique(np.asarray(samples), return_inverse=True)
    counts = np.bincount(place, minlength=len(values))
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    centred = ranks - ranks.mean()
    total = float((centred**2).sum())
    return min(max(float((centred[1:] * centred[:-1]).sum()) / total, 0.0), MAX_CORRELATION) if total else 0.0
