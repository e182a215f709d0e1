"""Row kernels by single work-items, for CPU devices: the lanes of a block in four vectors of 16, no barrier."""

from __future__ import annotations

from collections.abc import Sequence

from accel.numerics import BLOCK, LANES

from .row_passes import Pass
from .row_text import Text


class Loops(Text):
    """A work-item for a row, or for a block of one where blocks are shared out."""

    more_arguments = ("const ulong tasks", "const ulong each")

    def _body(self, stage: int | None) -> list[str]:
        form, plan = self.form, self.plan
        walked = stage is not None and stage < len(plan.walks)
        lines = [f"{self.type[v]} keep{v}[{form.held}];" for v in plan.held] if form.held else []
        lines += [
            "const ulong last_task = min(tasks, (get_global_id(0) + 1) * each);",
            "for (ulong task = get_global_id(0) * each; task < last_task; ++task) {",
            *(["const ulong here = task / blocks, block = task % blocks;"] if walked else ["const ulong here = task;"]),
            *self._pointers(),
        ]
        if stage is None:
            for p, walk in enumerate(plan.walks):
                lines += self._strips_of_blocks(p, walk)
                if walk.folds:
                    lines += self._rows(p + 1)
            return [*lines, *self._row_outputs("true"), "}"]
        for p in range(stage):
            folds = plan.walks[p].folds
            lines += [*self._seconds(folds), "for (ulong block = 0; block < blocks; ++block) {",
                      *(self._second(f, f"s{f}[block]") for f in folds), "}",
                      *self._seconds_folded(folds), *self._rows(p + 1)]  # fmt: skip
        if walked:
            walk = plan.walks[stage]
            lines += [*self._strips(stage, walk), *(f"s{f}[block] = total{f};" for f in walk.folds)]
        once = "block == 0" if walked else "true"
        return [*lines, *(self._row_outputs(once) if stage == plan.levels else []), "}"]

    def _strips_of_blocks(self, p: int, walk: Pass) -> list[str]:
        folds = walk.folds
        if not self.form.blocks:
            lines = ["const ulong block = 0;", *self._strips(p, walk)]
            return [*(f"{self.type[f]} row{f};" for f in folds), "{", *lines,
                    *(f"row{f} = {self.fold[f].leave.format(f'total{f}')};" for f in folds), "}"]  # fmt: skip
        return [
            *self._seconds(folds),
            "for (ulong block = 0; block < blocks; ++block) {",
            *self._strips(p, walk),
            *(self._second(f, f"total{f}") for f in folds),
            "}",
            *self._seconds_folded(folds),
        ]

    def _strips(self, p: int, walk: Pass) -> list[str]:
        """A block, 64 elements at a time: values first, in a loop that a compiler makes SIMD code of; then lanes, in
        vectors of 16. Results: total and the number of the fold."""
        folds = walk.folds
        lines = [f"const ulong start = block * {BLOCK};", f"const int length = (int)min((ulong){BLOCK}, n - start);"]
        for f in folds:
            kind = f"{self.fold[f].accumulator}16"
            lines += [f"{kind} lane{f}_{j} = ({kind})({self.fold[f].identity});" for j in range(4)]
        lines += [
            f"for (int first = 0; first < length; first += {LANES}) {{",
            f"const int present = min({LANES}, length - first);",
            *(f"{self.fold[f].accumulator} value{f}[{LANES}];" for f in folds),
            "for (int l = 0; l < present; ++l) {",
            "const INDEX i = (INDEX)start + (first + l);",
            *self._element(p, "[i]"),
            *(f"value{f}[l] = {self._entered(f)};" for f in folds),
            "}",
        ]
        if folds:
            lines += [f"for (int l = present; l < {LANES}; ++l) {{",
                      *(f"value{f}[l] = {self.fold[f].identity};" for f in folds), "}"]  # fmt: skip
        for f in folds:
            lines += [self._taken(f, f"lane{f}_{j}", f"vload16({j}, value{f})") for j in range(4)]
        return [*lines, "}", *(line for f in folds for line in self._vector_folded(f))]

    def _vector_folded(self, f: int) -> list[str]:
        """64 lanes in four vectors to total and the number of the fold."""
        kind, whole = self.fold[f].accumulator, f"lane{f}_0"
        lines = [self._taken(f, f"lane{f}_{j}", f"lane{f}_{j + 2}") for j in (0, 1)]
        lines.append(self._taken(f, whole, f"lane{f}_1"))
        for width in (8, 4, 2):
            half = f"fold{f}_{width}"
            lines.append(self._combined(f, f"const {kind}{width} {half}", f"{whole}.lo", f"{whole}.hi"))
            whole = half
        return [*lines, self._combined(f, f"const {kind} total{f}", f"{whole}.x", f"{whole}.y")]

    def _seconds(self, folds: Sequence[int]) -> list[str]:
        """Lane b % 64 takes block b's result."""
        lines = [f"{self.fold[f].accumulator} second{f}[{LANES}];" for f in folds]
        for f in folds:
            lines.append(f"for (int l = 0; l < {LANES}; ++l) second{f}[l] = {self.fold[f].identity};")
        return lines

    def _second(self, f: int, value: str) -> str:
        return self._taken(f, f"second{f}[block % {LANES}]", value)

    def _seconds_folded(self, folds: Sequence[int]) -> list[str]:
        lines = []
        for f in folds:
            kind = f"{self.fold[f].accumulator}16"
            lines += [f"{self.type[f]} row{f};", "{"]
            lines += [f"{kind} lane{f}_{j} = vload16({j}, second{f});" for j in range(4)]
            lines += [*self._vector_folded(f), f"row{f} = {self.fold[f].leave.format(f'total{f}')};", "}"]
        return lines
