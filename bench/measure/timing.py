"""Interleaved rounds of accel and its baselines, until accel's time is known well enough.

A round takes one sample of each, in an order that rotates from round to round, so that a drift of the machine meets all
of them alike. Every sample is kept, in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from math import ceil

from ..result.statistics import noise

Call = Callable[[], object]

OWN = "accel"
"""Name of accel's own samples."""

SAMPLE_SECONDS = 1e-3
"""A warm sample repeats its call until it takes about this long, so that the clock's own cost does not count."""

MIN_ROUNDS, MAX_ROUNDS = 5, 200
"""Rounds at least, and at most."""

LONG_SECONDS, FEW_ROUNDS = 20.0, 3
"""Rounds that take longer than this together are so few at least."""

SETTLE_SECONDS = 2e-3
"""Pause before a sample where several threads work: the pool of the library timed before may still spin."""

HOPELESS_SECONDS, HOPELESS = 0.2, 10
"""A baseline that takes so long, and so many times accel's time, is timed once and not in the rounds: torch's float16
products take seconds."""

WARM_SECONDS, WARM_SHARE = 10e-3, 0.1
"""After the pause, calls are made for so long before the sample, because the system needs some milliseconds until the
threads that it wakes run on cores of their own; none where that time is less than this share of one call."""


def rounds(
    own: Sequence[Call],
    baselines: Mapping[str, Sequence[Call]],
    budget: float,
    max_noise: float,
    evict: Call | None = None,
    settle: float = 0.0,
    on_round: Call | None = None,
    quiet: Callable[[], str | None] | None = None,
    refused: dict[str, str] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, list[float]]:
    """Seconds per call, by rounds, of accel (under `OWN`) and of each baseline. All of them have run before.

    own, and each baseline: the call, or several that do the same elsewhere in memory, which take turns from round to
    round: where operands lie may cost a call more than any change of its code.
    budget: seconds; exceeded only by the rounds that are needed at least. max_noise: of accel's samples, at which the
    rounds end; see `statistics.noise`. evict: empties the caches; where given, each sample is one call, after it.
    settle: seconds of a pause before each sample, which calls that warm up follow. on_round: is called before each
    round. quiet: waits, before each sample where there are baselines, until no thread of the libraries that were called
    before works any more, or says why it gave up: then no baseline is timed beside accel, whose time goes on, and each
    one's reason goes to `refused`.
    """
    calls = {OWN: own, **baselines}
    names, start = list(calls), clock()
    counts = dict.fromkeys(names, 1) if evict else {name: repeats(each[0], clock) for name, each in calls.items()}
    warm = WARM_SECONDS if settle and not evict else 0.0
    samples: dict[str, list[float]] = {name: [] for name in names}
    for done in range(MAX_ROUNDS):
        elapsed = clock() - start
        if elapsed > budget and done >= (FEW_ROUNDS if elapsed > LONG_SECONDS else MIN_ROUNDS):
            break
        if done >= MIN_ROUNDS and noise(samples[OWN]) <= max_noise:
            break
        if on_round:
            on_round()
        first = done % len(names)
        for name in names[first:] + names[:first]:
            if name not in samples:
                continue
            if evict:
                evict()
            if settle:
                pause(settle)
            if quiet and len(samples) > 1 and (why := quiet()):
                for other in names:
                    if other != OWN:
                        del samples[other]
                        if refused is not None:
                            refused[other] = why
                if name != OWN:
                    continue
            call, count = calls[name][done % len(calls[name])], counts[name]
            took = samples[name][-1] if samples[name] else 0.0
            if count > 1 or (warm and took * WARM_SHARE < warm):  # caches and threads as they are in a loop
                begin = clock()
                call()
                while clock() - begin < warm:
                    call()
            samples[name].append(sample(call, count, clock))
    return samples


def sample(call: Call, count: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds per call of so many calls in a row."""
    turns = repeat(None, count)
    begin = clock()
    for _ in turns:
        call()
    return (clock() - begin) / count


def repeats(call: Call, clock: Callable[[], float] = time.perf_counter) -> int:
    """How many calls in a row take about `SAMPLE_SECONDS`; grows tenfold at most from one try to the next, as the
    first call after another library's is no measure."""
    count = 1
    while (seconds := sample(call, count, clock) * count) < SAMPLE_SECONDS / 2:
        count *= max(2, min(10, ceil(SAMPLE_SECONDS / max(seconds, 1e-9))))
    return count
