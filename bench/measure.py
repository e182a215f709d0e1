"""Interleaved timing, and what its samples say.

A round times every call once, so that a drift of the machine meets all of them alike: ratios are formed within rounds,
and their median is judged. Nothing is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from statistics import median

from .statistics import interval as interval
from .statistics import noise as noise

SAMPLE_SECONDS = 1e-3
"""A sample repeats its call until it takes about this long, so that the clock's own cost does not count."""

MIN_ROUNDS, FEW_ROUNDS, MAX_ROUNDS = 7, 3, 200
"""Rounds at least; where these few alone exhaust the time; at most."""

SLOW_ROUND_SECONDS, SLOW_ROUNDS = 1.0, 2
"""Rounds that take longer than this are so few at least."""

NOISE_GOAL = 0.02
"""Rounds go on until the ratio is known so well, or the time is out."""

SETTLE_SECONDS = 2e-3
"""Pause before a sample where several threads work: the pool of the library timed before may still spin."""


def ratios(peer: Sequence[float], own: Sequence[float]) -> list[float]:
    """The peer's time over accel's in each round."""
    return [p / o if o > 0 else inf for p, o in zip(peer, own, strict=True)]


def interleave(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    settle: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, list[float]]:
    """Seconds per call of each of the calls, by rounds; the first call is accel's.

    The calls have run before. The order rotates from round to round, so that none always follows the same other.
    seconds: of all rounds; exceeded only by the rounds that are needed at least.
    """
    names = list(calls)
    start, first_round = clock(), {}
    for name, call in calls.items():
        begin = clock()
        call()
        first_round[name] = clock() - begin
    repeats = {name: max(1, round(SAMPLE_SECONDS / max(took, 1e-8))) for name, took in first_round.items()}
    long = all(count == 1 for count in repeats.values())
    samples = {name: [first_round[name]] if long else [] for name in names}
    few = SLOW_ROUNDS if sum(first_round.values()) > SLOW_ROUND_SECONDS else FEW_ROUNDS
    for done in range(len(samples[names[0]]), MAX_ROUNDS):
        if (done >= few and clock() - start > seconds) or (done >= MIN_ROUNDS and _known(samples, names[0])):
            break
        first = done % len(names)
        for name in names[first:] + names[:first]:
            if settle:
                pause(settle)
            call, count = calls[name], repeats[name]
            if count > 1:  # after another library's turn: caches and pool as they are in a loop
                call()
            begin = clock()
            for _ in range(count):
                call()
            samples[name].append((clock() - begin) / count)
    return samples


def _known(samples: Mapping[str, Sequence[float]], own: str) -> bool:
    """Whether the ratio to the best other call (or the time, where there is none) is known well enough."""
    others = [name for name in samples if name != own]
    if not others:
        return noise(samples[own]) <= NOISE_GOAL
    best = min(others, key=lambda name: median(samples[name]))
    return noise(ratios(samples[best], samples[own])) <= NOISE_GOAL
