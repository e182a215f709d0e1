"""One case on one device, in the process that measures: build, check, time, check again."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ... import recording
from ...array import Array
from ...backends import compiling
from ...backends.base import Device
from ...backends.cpu import threads
from ...config import config
from ...conversion import to_numpy
from ...errors import AccelError, CompileError
from ...testing.compare import place
from ..cases import inputs
from ..cases import workload as workloads
from ..cases.case import Workload
from ..peers import baselines
from ..result.record import baseline, blank, timed
from . import cold, energy, timing, verify
from .peak import Peak
from .poison import poison
from .quiet import Machine, Quiet
from .route import route

PATIENCE_SECONDS, PATIENCE = 10.0, 10
"""A baseline's first call is given up after so many seconds, or so many times accel's time where that is longer."""

LONG_SECONDS = 2.0
"""Nor is one whose call took so long: it is known well enough, and not called again."""

STEP_SECONDS = 1.0
"""How often the rounds of a case say that they go on."""

PLACEMENTS = 4
"""Copies of the operands of a warm case, which take turns from round to round, where all of them fit the cache."""

Mark = Callable[[dict[str, Any]], None]
Calls = dict[str, timing.Call]
Turns = list[timing.Call]


@dataclass(frozen=True)
class Options:
    """How to measure. See `Plan`; budget: of this process; cache: bytes of the last-level cache; evict: empties the
    caches; meter: or the reason why there is none; further: whether a process before this one has measured the case;
    hash: of the result that it checked."""

    seed: int
    budget: float
    max_noise: float
    baselines: bool
    cache: int = 0
    evict: Callable[[], None] | None = None
    meter: energy.Meter | str = "not asked for"
    without: Mapping[str, str] = field(default_factory=dict)
    further: bool = False
    hash: str | None = None


def measure(workload: Workload, device: Device, options: Options, mark: Mark) -> dict[str, Any]:
    """The entry of a case that accel has the op of.

    mark: is told {"step": what} when a step of the case begins, and {"baseline": name, "patience": seconds} before a
    baseline's first call, which may take the process with it. options.without: baselines that are not called, and why.
    """
    record = blank(workload, str(device), "CRASH")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), config(fallback="allow"):
            warnings.simplefilter("ignore")
            Trial(workload, device, options, mark, record).run()
    except MemoryError as error:
        record |= {"status": "OOM", "detail": said(error)}
    except CompileError as error:
        record |= {"status": "CRASH", "detail": said(error)}
    except (AccelError, NotImplementedError) as error:
        record |= {"status": "UNSUPPORTED", "detail": said(error)}
    except Exception as error:  # whatever a kernel raises
        record |= {"status": "CRASH", "detail": said(error)}
    return record


def said(error: BaseException) -> str:
    """An exception's type and the first line of its message."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(": ")


class Trial:
    """The steps of `measure`, which fill the record as they go."""

    def __init__(
        self, workload: Workload, device: Device, options: Options, mark: Mark, record: dict[str, Any]
    ) -> None:
        self.workload, self.device, self.options, self.mark, self.record = workload, device, options, mark, record
        self.step("making the operands")
        _empty_pool()  # what the case before left there would count as this one's
        self.operands = inputs.arrays(workload, options.seed)
        self.result = self.call_of(self.operands)

    def step(self, what: str) -> None:
        """What begins now, for the parent: it waits for each step for itself."""
        self.mark({"step": what})

    def run(self) -> None:
        """Status, and what belongs to it."""
        with recording.recording(run=False):
            imagined = self.result()
        before = self.first_call(imagined)
        if before is None:
            return
        mistrusted = self.record["detail"]
        self.time()
        problem = self.check_again(imagined, before)
        if problem is not None:
            self.record |= blank(self.workload, str(self.device), "INCORRECT", problem)
            return
        if not self.options.further:
            self.record["energy"] = energy.measure(self.options.meter, self.call)
        if mistrusted is not None:
            self.record["status"] = "MISTRUSTED"
        else:
            self.record["status"] = "PASS" if self.record["executed"] == self.record["requested"] else "FALLBACK"

    def call_of(self, operands: Sequence[np.ndarray]) -> Callable[[], Array]:
        """The call on operands that are placed on the device."""
        return partial(workloads.call(self.workload), *(place(x, self.device) for x in operands))

    def call(self) -> None:
        """The call, until the device is done."""
        _finish(self.result)

    def first_call(self, imagined: Array) -> str | None:
        """Makes and checks the first call, on poisoned memory: the result's hash, or None where it is wrong."""
        poison(self.device, imagined.dtype, imagined.nbytes)
        self.step("in the first call")
        compiled, begin = compiling.seconds(), time.perf_counter()
        with recording.recording(run=True) as recorder:
            result = self.result()
            self.device.synchronize()
        self.record["first_call_s"] = time.perf_counter() - begin
        if compiling.seconds() or self.device.backend == "cpu":  # else the backend may not say when it compiles
            self.record["compile_s"] = compiling.seconds() - compiled
        self.record |= route(recorder, self.device)
        self.step("checking the result")
        got = to_numpy(result)
        digest = verify.result_hash(got)
        if self.options.hash is not None:
            if digest == self.options.hash:
                return digest
            changed = "the result's bits changed from one process to the next"
            self.record |= {"status": "INCORRECT", "detail": changed}
            return None
        try:
            found = verify.check(self.workload, self.operands, got, config.numerics)
        except Exception as error:
            self.record["detail"] = f"it could not be checked: {said(error)}"
            return digest
        self.record["error"] = error_of(found)
        if not found.ok:
            self.record |= {"status": "INCORRECT", "detail": found.detail}
            return None
        if found.checked == 0:
            self.record["detail"] = "nothing of it could be checked: no element has a finite bound"
        self.record["hash"] = None if self.record["class"] == "bound" else digest
        return digest

    def check_again(self, imagined: Array, before: str) -> str | None:
        """What is wrong with a further call's result, or None."""
        poison(self.device, imagined.dtype, imagined.nbytes)
        self.step("in the last call")
        result = self.result()
        self.device.synchronize()
        self.step("checking the result of the last call")
        got = to_numpy(result)
        if verify.result_hash(got) == before:
            return None
        if self.record["class"] != "bound":
            return "the result's bits changed from the first call to the last"
        if self.record["error"] is None:
            return None
        found = verify.check(self.workload, self.operands, got, config.numerics)
        if found.ok:
            return None
        self.record["error"] = error_of(found)
        return f"wrong in the last call, right in the first: {found.detail}"

    def time(self) -> None:
        """Rounds of accel and the baselines."""
        options, count = self.options, threads(config.current())
        self.step("in the second call")
        steady = self.second_call()
        on_host = self.device.kind not in ("gpu", "accelerator")
        self.quiet = Quiet().wait if on_host else _at_once  # a GPU's baselines run there too
        peers, alone = self.peers(steady, count) if options.baselines else ({}, {})
        own, others, evict = self.placed(peers, count)
        settle = timing.SETTLE_SECONDS if count > 1 and on_host else 0.0
        self.said = -math.inf
        refused: dict[str, str] = {}
        machine = Machine()
        found = timing.rounds(
            own, others, options.budget, options.max_noise, evict, settle, self.going_on, self.quiet, refused
        )
        self.record["others"] = machine.others()
        self.record |= timed(self.record, found.pop(timing.OWN), options.max_noise)
        alone |= {name: baseline([], f"not timed: {why}") for name, why in refused.items()}
        self.record["baselines"] = alone | {name: baseline(samples, None) for name, samples in found.items()}

    def placed(self, peers: Calls, count: int) -> tuple[Turns, dict[str, Turns], timing.Call | None]:
        """The call and the baselines' for the rounds, with copies of the operands that take turns: from round to round
        where they are warm, from call to call where they are to come from memory; or what empties the caches before
        each."""
        nbytes, cache = sum(x.nbytes for x in self.operands), self.options.cache
        if self.workload.cache == "warm":
            return *self.copies(peers, count, PLACEMENTS if PLACEMENTS * nbytes <= cache else 1), None
        number = cold.copies(nbytes, cache)
        if number is None:
            return [self.call], {name: [call] for name, call in peers.items()}, self.options.evict
        turns = itertools.count()
        own, others = self.copies(peers, count, number)
        return [cold.in_turn(own, turns)], {name: [cold.in_turn(each, turns)] for name, each in others.items()}, None

    def copies(self, peers: Calls, count: int, number: int) -> tuple[Turns, dict[str, Turns]]:
        """The call and the baselines' on the operands and on copies of them, so many in all."""
        own, others = [self.call], {name: [call] for name, call in peers.items()}
        for _ in range(number - 1):
            copy = [x.copy(order="K") for x in self.operands]
            own.append(partial(_finish, self.call_of(copy)))
            offered = baselines.calls(self.workload, copy, self.device.kind, count) if peers else {}
            for name in peers:
                others[name].append(offered[name])
        return own, others

    def second_call(self) -> float:
        """Seconds of a call; the memory that it takes beside its operands goes to the record, where the device's memory
        is the host's."""
        _empty_pool()  # or idle memory would be used, and nothing grow
        peak = Peak()
        seconds = timing.sample(self.call, 1)
        self.record["peak_bytes"] = peak.growth() if self.device.host else None
        return seconds

    def going_on(self) -> None:
        """Says now and then that the rounds go on."""
        now = time.perf_counter()
        if now - self.said >= STEP_SECONDS:
            self.said = now
            self.step("being timed")

    def peers(self, steady: float, count: int) -> tuple[Calls, dict[str, dict[str, Any]]]:
        """The baselines to be timed in the rounds, and the entries of those that are not. steady: accel's seconds."""
        timed, alone = {}, {}
        patience = max(PATIENCE_SECONDS, PATIENCE * steady)
        for name, call in baselines.calls(self.workload, self.operands, self.device.kind, count).items():
            if name in self.options.without:
                alone[name] = baseline([], self.options.without[name])
                continue
            self.mark({"baseline": name, "patience": patience})
            if (restless := self.quiet()) is not None:
                alone[name] = baseline([], f"not timed: {restless}")
                continue
            begin = time.perf_counter()
            try:
                result = call()
                took = time.perf_counter() - begin
                why = baselines.problem(self.workload, self.operands, result)
                if took > timing.HOPELESS_SECONDS and not (took > LONG_SECONDS and name in baselines.COMPILED):
                    took = timing.sample(call, 1)  # the first call may have loaded libraries, or compiled
            except Exception as error:  # whatever a library raises for what it lacks
                why = said(error)
            result = None
            if why is not None:
                alone[name] = baseline([], f"left out: {why}")
            elif took > min(LONG_SECONDS, max(timing.HOPELESS_SECONDS, timing.HOPELESS * steady)):
                alone[name] = baseline([took], f"timed once, as it takes {took:.3g} s")
            else:
                timed[name] = call
        return timed, alone


def _empty_pool() -> None:
    """Returns to the system what lies idle in the pool of host memory."""
    kept = config.current().pool_limit
    config.pool_limit = 0
    config.pool_limit = kept


def _at_once() -> str | None:
    """Waits for nothing."""
    return None


def _finish(call: Callable[[], Array]) -> None:
    """Makes a call and waits until the device is done."""
    call().device.synchronize()


def error_of(found: verify.Check) -> dict[str, Any]:
    """A check's entry; JSON has no infinity."""
    return {"worst": found.worst if math.isfinite(found.worst) else None, "checked": found.checked, "of": found.of}
