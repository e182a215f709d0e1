"""Row kernels by sub-groups, for CPU devices that have them: a sub-group is a SIMD register, whose lanes are folded by
shuffles. No barrier: of local memory each work-item reads what it wrote."""

from __future__ import annotations

from collections.abc import Sequence

from accel.numerics import BLOCK, LANES

from .row_passes import Pass
from .row_text import Text

SIZE = 16
"""Work-items of a sub-group; each has LANES / SIZE lanes."""

EACH = LANES // SIZE

REGISTERS = 4 * LANES
"""Elements of a row up to which all of them are in registers, and loops over them are unrolled."""


class SubGroups(Text):
    """A sub-group for rows, one after the other."""

    attributes = f"__attribute__((intel_reqd_sub_group_size({SIZE}))) "
    more_arguments = ("const ulong tasks", "const ulong each")

    def _body(self, stage: int | None) -> list[str]:
        assert stage is None
        form, plan = self.form, self.plan
        short = form.held <= REGISTERS
        private = [f"{self.type[v]} keep{v}[{form.held // SIZE}] = {{0}};" for v in plan.held if short]
        lines = [
            *(f"__local {self.type[v]} keep{v}[{form.held}];" for v in plan.held if not short),
            "const int l = (int)get_local_id(0);",
            "const ulong last_task = min(tasks, (get_group_id(0) + 1) * each);",
            "for (ulong here = get_group_id(0) * each; here < last_task; ++here) {",
            *private,
            *self._pointers(),
        ]
        for p, walk in enumerate(plan.walks):
            lines += self._walk_of_blocks(p, walk) if form.blocks else self._walk_of_one(p, walk)
            if walk.folds:
                lines += self._rows(p + 1)
        return [*lines, *self._row_outputs("l == 0"), "}"]

    def _walk_of_one(self, p: int, walk: Pass) -> list[str]:
        names = [f"{self.fold[f].accumulator} total{f};" for f in walk.folds]
        lines = [*names, "{", "const ulong start = 0;", "const int length = (int)n;", *self._block(p, walk)]
        lines += [f"total{f} = lane{f}[0];" for f in walk.folds]
        return [*lines, "}", *(self._left(f, f"total{f}") for f in walk.folds)]

    def _walk_of_blocks(self, p: int, walk: Pass) -> list[str]:
        """Lane b % LANES takes block b's result."""
        folds = walk.folds
        lines = self._lanes(folds, "second")
        lines += [
            "for (ulong block = 0; block < blocks; ++block) {",
            f"const ulong start = block * {BLOCK};",
            f"const int length = (int)min((ulong){BLOCK}, n - start);",
            *self._block(p, walk),
        ]
        if folds:
            lines += ["#pragma unroll", f"for (int q = 0; q < {EACH}; ++q) {{",
                      f"const bool mine = (int)(block % {LANES}) == q * {SIZE} + l;"]  # fmt: skip
            for f in folds:
                lines.append(self._combined(f, f"const {self.fold[f].accumulator} both{f}", f"second{f}[q]",
                                            f"lane{f}[0]"))  # fmt: skip
                lines.append(f"second{f}[q] = mine ? both{f} : second{f}[q];")
            lines.append("}")
        lines += ["}", *self._halves(folds, "second")]
        return lines + [self._left(f, f"second{f}[0]") for f in folds]

    def _block(self, p: int, walk: Pass) -> list[str]:
        """The elements from `start` on, `length` of them: lanes l, l + SIZE… of item l; folds end up in lane 0."""
        lines = self._lanes(walk.folds, "lane")
        if self.form.held and self.form.held <= REGISTERS and not self.form.blocks:
            lines += ["#pragma unroll", f"for (int s = 0; s < {self.form.held // SIZE}; ++s) {{",
                      *self._lane(p, walk, f"s * {SIZE}", "s", f"s % {EACH}", "e < length"), "}"]  # fmt: skip
            return lines + self._halves(walk.folds, "lane")
        row = f"row * {LANES} + q * {SIZE}"
        unrolled = ["#pragma unroll", f"for (int q = 0; q < {EACH}; ++q) {{"]
        lines += [f"const int whole = length / {LANES};", "for (int row = 0; row < whole; ++row) {", *unrolled,
                  *self._lane(p, walk, row, "start + e", "q", None), "}", "}",
                  "{", "const int row = whole;", *unrolled,
                  *self._lane(p, walk, row, "start + e", "q", "e < length"), "}", "}"]  # fmt: skip
        return lines + self._halves(walk.folds, "lane")

    def _lane(self, p: int, walk: Pass, first: str, held_at: str, lane: str, there: str | None) -> list[str]:
        """One element of each item. there: whether it exists, where that is not known."""
        return [
            f"const int e = {first} + l;",
            f"if ({there}) {{" if there else "{",
            "const INDEX i = (INDEX)start + e;",
            *self._element(p, f"[{held_at}]"),
            *(self._taken(f, f"lane{f}[{lane}]", self._entered(f)) for f in walk.folds),
            "}",
        ]

    def _lanes(self, folds: Sequence[int], name: str) -> list[str]:
        lines = [f"{self.fold[f].accumulator} {name}{f}[{EACH}];" for f in folds]
        return lines + (["#pragma unroll", f"for (int q = 0; q < {EACH}; ++q) {{",
                  *(f"{name}{f}[q] = {self.fold[f].identity};" for f in folds), "}"] if folds else [])  # fmt: skip

    def _halves(self, folds: Sequence[int], name: str) -> list[str]:
        """Lanes fold in halves: all items get the result, as sums commute."""
        lines, half = [], EACH // 2
        while half:
            lines += [self._taken(f, f"{name}{f}[{j}]", f"{name}{f}[{j + half}]") for f in folds for j in range(half)]
            half //= 2
        half = SIZE // 2
        while half:
            lines += [
                self._taken(f, f"{name}{f}[0]", f"intel_sub_group_shuffle_xor({name}{f}[0], {half})") for f in folds
            ]
            half //= 2
        return lines
