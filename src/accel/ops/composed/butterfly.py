"""Butterflies: the discrete Fourier transforms of 2 to 8 complex numbers as scalar programs of their parts.

X_k = sum of x_j (c_jk - i s_jk) over j, with c and s the cosine and sine of 2 pi jk / r. A program takes re and im of
each x_j; then, where it is twiddled, cos and sin for each X_k but the first, whose angle X_k is turned back by; then
its constants; then, where it is scaled, a factor. Its results are re and im of each X_k, all of one dtype.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ...scalar import Program, ProgramBuilder
from .roots_of_unity import roots

RADICES = (2, 3, 4, 5, 7, 8)


class Number(NamedTuple):
    """A complex number: the numbers of its parts among a program's values."""

    re: int
    im: int


def constants(radix: int) -> tuple[float, ...]:
    """What a butterfly multiplies by: cosines and sines of j / r turns, for j below r / 2; for 8 cos of an eighth."""
    if radix % 2:
        cos, sin = (x[1 : radix // 2 + 1].tolist() for x in roots(radix))
        return (*cos, *sin)
    return (float(roots(8)[0][1]),) if radix == 8 else ()


@lru_cache(maxsize=128)
def butterfly(radix: int, dtype: str, twiddled: bool, scaled: bool) -> Program:
    """The program of a radix."""
    return _Butterfly(radix, dtype, twiddled, scaled).program()


class Kind(NamedTuple):
    """What a butterfly's program is made of."""

    radix: int
    twiddled: bool
    scaled: bool


def kind_of(program: Program) -> Kind | None:
    """Of the programs of `butterfly` what they are made of; None of others."""
    if len(program.results) % 2:
        return None
    radix = len(program.results) // 2
    if radix not in RADICES or program.output not in ("float32", "float64"):
        return None
    kinds = (Kind(radix, twiddled, scaled) for twiddled in (False, True) for scaled in (False, True))
    return next((k for k in kinds if program == butterfly(radix, program.output, k.twiddled, k.scaled)), None)


def factors_of(program: Program) -> tuple[int, int, int, int] | None:
    """Of a program of a product of complex numbers which of its inputs re and im of one are, and those of the other,
    which are the same where it is a square; None of others."""
    count = len(program.inputs)
    if count not in (2, 4) or len(program.steps) != 6 or len(program.results) != 2:
        return None
    if set(program.inputs) not in ({"float32"}, {"float64"}):
        return None
    steps = dict(enumerate(program.steps, count))

    def terms(result: int, function: str) -> list[set[int]] | None:
        outer = steps.get(result)
        if outer is None or outer.function != function:
            return None
        products = [steps.get(arg) for arg in outer.args]
        if any(step is None or step.function != "multiply" for step in products):
            return None
        return [set(step.args) for step in products if step is not None]

    re, im = terms(program.results[0], "subtract"), terms(program.results[1], "add")
    if re is None or im is None:
        return None
    for a, b in ((0, 1), (1, 0)) if count == 2 else ():
        if re == [{a}, {b}] and im == [{a, b}] * 2:
            return a, b, a, b
    if {*re[0], *re[1]} != {0, 1, 2, 3} or any(len(x) != 2 for x in (*re, *im)):
        return None
    (a, c), (one, other) = sorted(re[0]), sorted(re[1])
    for b, d in ((one, other), (other, one)):
        if im in ([{a, d}, {b, c}], [{b, c}, {a, d}]):
            return a, b, c, d
    return None


@lru_cache(maxsize=16)
def turned(dtype: str, back: bool, scaled: bool = False) -> Program:
    """The program of a complex number times cos + i sin, or, back, cos - i sin, in which re, im, cos, sin and, where it
    is scaled, a factor go."""
    its = _Butterfly(1, dtype, False, scaled, extra=2)
    return its.finish([its.turn(Number(*its.inputs[:2]), Number(*its.inputs[2:4]), back)])


class _Butterfly:
    def __init__(self, radix: int, dtype: str, twiddled: bool, scaled: bool, extra: int = 0) -> None:
        self.radix, self.dtype, self.twiddled = radix, dtype, twiddled
        turns = 2 * (radix - 1) if twiddled else 0
        own = constants(radix) if radix > 1 else ()
        self.kinds = (dtype,) * (2 * radix + turns + len(own) + extra + scaled)
        self.build = ProgramBuilder(*self.kinds)
        self.inputs = self.build.inputs
        self.factor = self.inputs[-1] if scaled else None
        self.constants = self.inputs[2 * radix + turns :]

    def program(self) -> Program:
        given = [
            Number(*self.inputs[2 * k : 2 * k + 2]) for k in range(2 * self.radix - 1 if self.twiddled else self.radix)
        ]
        x, turns = given[: self.radix], given[self.radix :]
        found = {2: self.two, 4: self.four, 8: self.eight}.get(self.radix, self.odd)(*x)
        if self.twiddled:
            found = [found[0], *(self.turn(y, w, back=True) for y, w in zip(found[1:], turns, strict=True))]
        return self.finish(found)

    def finish(self, found: list[Number]) -> Program:
        """The program whose results these are, times the factor."""
        if self.factor is not None:
            found = [Number(*(self.times(part, self.factor) for part in y)) for y in found]
        whole = self.build.finish(found[-1].im)
        results = tuple(part for y in found for part in y)
        return Program(whole.inputs, whole.steps, self.dtype, results)

    # numbers

    def plus(self, a: int, b: int) -> int:
        return self.build.apply("add", a, b)

    def minus(self, a: int, b: int) -> int:
        return self.build.apply("subtract", a, b)

    def times(self, a: int, b: int) -> int:
        return self.build.apply("multiply", a, b)

    def sum(self, a: Number, b: Number) -> Number:
        return Number(self.plus(a.re, b.re), self.plus(a.im, b.im))

    def difference(self, a: Number, b: Number) -> Number:
        return Number(self.minus(a.re, b.re), self.minus(a.im, b.im))

    def quarters(self, a: Number, b: Number) -> tuple[Number, Number]:
        """a - i b and a + i b."""
        back = Number(self.plus(a.re, b.im), self.minus(a.im, b.re))
        return back, Number(self.minus(a.re, b.im), self.plus(a.im, b.re))

    def turn(self, a: Number, by: Number, back: bool) -> Number:
        """a times by, or its conjugate."""
        direct = self.times(a.re, by.re), self.times(a.im, by.re)
        across = self.times(a.im, by.im), self.times(a.re, by.im)
        first, second = (self.plus, self.minus) if back else (self.minus, self.plus)
        return Number(first(direct[0], across[0]), second(direct[1], across[1]))

    # radices

    def two(self, a: Number, b: Number) -> list[Number]:
        return [self.sum(a, b), self.difference(a, b)]

    def four(self, a: Number, b: Number, c: Number, d: Number) -> list[Number]:
        (even, odd), (other_even, other_odd) = self.two(a, c), self.two(b, d)
        (y0, y2), (y1, y3) = self.two(even, other_even), self.quarters(odd, other_odd)
        return [y0, y1, y2, y3]

    def eight(self, *x: Number) -> list[Number]:
        even, odd = self.four(*x[::2]), self.four(*x[1::2])
        half = self.constants[0]
        # odd[1] times 1 - i, and odd[3] times 1 + i, both times the cosine
        first = Number(
            self.times(self.plus(odd[1].re, odd[1].im), half), self.times(self.minus(odd[1].im, odd[1].re), half)
        )
        third = Number(
            self.times(self.minus(odd[3].re, odd[3].im), half), self.times(self.plus(odd[3].re, odd[3].im), half)
        )
        pairs = [
            self.two(even[0], odd[0]),
            self.two(even[1], first),
            self.quarters(even[2], odd[2]),
            (self.difference(even[3], third), self.sum(even[3], third)),
        ]
        return [y for y, _ in pairs] + [y for _, y in pairs]

    def odd(self, first: Number, *others: Number) -> list[Number]:
        half = self.radix // 2
        pairs = [(self.sum(others[j], others[-1 - j]), self.difference(others[j], others[-1 - j])) for j in range(half)]
        cos, sin = self.constants[:half], self.constants[half : 2 * half]
        start = first
        for both, _ in pairs:
            start = self.sum(start, both)
        low, high = [start], []
        for k in range(1, half + 1):
            along, across = first, None
            for j, (both, apart) in enumerate(pairs, 1):
                place = j * k % self.radix
                mirrored = place > half  # where the cosine is the same and the sine its negative
                at = (self.radix - place if mirrored else place) - 1
                along = self.sum(along, Number(*(self.times(part, cos[at]) for part in both)))
                by = Number(*(self.times(part, sin[at]) for part in apart))
                if across is None:
                    across = by
                else:
                    across = self.difference(across, by) if mirrored else self.sum(across, by)
            assert across is not None
            back, ahead = self.quarters(along, across)
            low.append(back)
            high.insert(0, ahead)
        return low + high
