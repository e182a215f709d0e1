"""How the next token is taken from scores, so that a sequence's tokens do not depend on the batch that it is in."""

from __future__ import annotations

from dataclasses import dataclass

import accel
from accel import Array, Device
from accel.errors import ArgumentError, shown


@dataclass(frozen=True)
class Sampler:
    """temperature: 0 takes the largest score, and nothing is drawn; above it, a token is drawn with probabilities
    softmax(scores / temperature) over those that are left. top_k: only the k largest scores are, 0 for all. top_p: only
    the largest whose probabilities before them sum up to less than top_p. Scores equal to the last one are left too.
    seeds: the seed of each sequence; one for all, where there is one. Each sequence draws from a generator of its own,
    so that the same prompt with the same seed has the same tokens in every batch.

    A token is the largest of scores + Gumbel noise (Maddison et al. 2014, arXiv:1411.0030).
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name, fits, expected in (
            ("temperature", _number(self.temperature) and 0 <= self.temperature < float("inf"), "0 or above"),
            ("top_k", type(self.top_k) is int and self.top_k >= 0, "0 or a count"),
            ("top_p", _number(self.top_p) and 0 < self.top_p <= 1, "above 0, to 1"),
            (
                "seeds",
                isinstance(self.seeds, tuple) and self.seeds and all(map(_seed, self.seeds)),
                "integers from 0 to 2^64 - 1",
            ),
        ):
            if not fits:
                raise ArgumentError(f"{name}: expected {expected}, got {shown(getattr(self, name))}")
        object.__setattr__(self, "temperature", float(self.temperature))
        object.__setattr__(self, "top_p", float(self.top_p))

    def generators(self, sequences: int, device: Device) -> list[accel.random.Generator]:
        """One for each sequence. Raises ArgumentError where there are seeds for another number of them."""
        seeds = self.seeds * sequences if len(self.seeds) == 1 else self.seeds
        if len(seeds) != sequences:
            raise ArgumentError(f"seeds: expected 1 or {sequences}, one for each prompt, got {len(seeds)}")
        return [accel.random.default_rng(seed, device) for seed in seeds]

    def choose(self, scores: Array, generators: list[accel.random.Generator]) -> Array:
        """Tokens (sequences,) by float32 scores (sequences, vocabulary)."""
        if not self.temperature:
            return accel.argmax(scores, axis=-1)
        scores = scores / self.temperature
        kept = scores >= self._least(scores)
        size = (scores.shape[-1],)
        noise = accel.log(accel.stack([generator.exponential(1.0, size) for generator in generators]))
        return accel.argmax(accel.where(kept, scores - noise, -accel.inf), axis=-1)

    def _least(self, scores: Array) -> Array:
        """The smallest score that is left, of each sequence."""
        ordered = accel.sort(scores, axis=-1, descending=True)
        count = self.top_k if 0 < self.top_k < scores.shape[-1] else scores.shape[-1]
        least = ordered[:, count - 1 : count]
        if self.top_p < 1:
            likely = accel.nn.softmax(ordered[:, :count], axis=-1)
            before = accel.cumulative_sum(likely, axis=-1) - likely
            there = accel.where(before < self.top_p, ordered[:, :count], accel.inf)
            least = accel.maximum(least, accel.min(there, axis=-1, keepdims=True))
        return least


def _number(x: object) -> bool:
    return type(x) in (int, float)


def _seed(x: object) -> bool:
    return type(x) is int and 0 <= x < 2**64
