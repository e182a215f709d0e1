"""What the machine reaches at most, measured by `accel._cpu.probe` beside each case."""

from __future__ import annotations

from dataclasses import dataclass

from ...backends.cpu import native

MILLISECONDS = 8.0
"""Of one probe; the better of one before and one after the case counts."""

AVX512_ONLY = ("vnni_int8", "bfloat16_dot")
"""Kinds that are no limit for the kernels of another instruction set."""


@dataclass(frozen=True)
class Limit:
    """The work of one call against the rate of a probe.

    kind: of `accel._cpu.probe`. work: operations (an fma is two), or bytes that the call has to move. working_set:
    bytes of the probe's arrays together; 0 for arithmetic.
    """

    kind: str
    work: float
    working_set: int = 0

    def rate(self, isa: str, threads: int) -> float | None:
        """1e9 operations or bytes per second of so many threads; None where the CPU or the instruction set has no such
        instruction."""
        if self.kind in AVX512_ONLY and isa != "avx512":
            return None
        return native().probe(isa, self.kind, threads, MILLISECONDS, self.working_set)

    def share(self, seconds: float, rate: float) -> float:
        """Which part of the limit a call reached that took so long."""
        return self.work / seconds / (rate * 1e9)


class Allowance(Limit):
    """A time that a call may take: work is in nanoseconds, and the share is that over what the call took."""

    def rate(self, isa: str, threads: int) -> float | None:
        return 1.0


def header(isa: str, threads: int) -> dict[str, float | None]:
    """Rates of the probes for the head of a table, in 1e9 per second of all threads."""
    kinds = {kind: Limit(kind, 1) for kind in ("fma_float32", "fma_float64", *AVX512_ONLY)}
    kinds |= {f"{kind} 256 MiB": Limit(kind, 1, 256 << 20) for kind in ("read", "copy", "triad")}
    return {name: max((limit.rate(isa, threads) or 0.0) for _ in range(2)) or None for name, limit in kinds.items()}
