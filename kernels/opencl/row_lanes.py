"""Row kernels by work-groups: the lanes of a block in local memory, folded in halves by all work-items of a row."""

from __future__ import annotations

from collections.abc import Sequence

from accel.numerics import BLOCK, LANES

from .row_passes import Pass
from .row_text import Text


class Lanes(Text):
    """A work-group for a row or several, with form.items work-items each."""

    def _body(self, stage: int | None) -> list[str]:
        form, plan = self.form, self.plan
        walked = stage is not None and stage < len(plan.walks)
        lines = [
            f"__local {a.accumulator} shared{f}[{form.rows}][{form.teams}][{form.lanes}];" for f, a in self.fold.items()
        ]
        if form.blocks and not form.shared:
            lines += [f"__local {a.accumulator} second{f}[{form.rows}][{LANES}];" for f, a in self.fold.items()]
        if form.held:
            space, size = "__local ", f"[{form.rows}][{form.held}]"
            if form.registers:  # which have a value: Intel's CPU runtime loses one that is stored in a branch only
                space, size = "", f"[{form.held // form.lanes}] = {{0}}"
            lines += [f"{space}{self.type[v]} keep{v}{size};" for v in plan.held]
        x, y = (1, 0) if form.columns else (0, 1)
        lines += [
            f"const int l = (int)get_local_id({x}), mine = (int)get_local_id({y}), team = (int)get_local_id(2);",
            f"const int item = team * {form.across} + l;",
            f"const ulong group = get_group_id(0){' / blocks' if walked else ''};",
            f"const ulong its_row = group * {form.rows} + (ulong)mine;",
            "const bool present = its_row < rows;",
            "const ulong here = present ? its_row : rows - 1;",
            *(["const ulong block = get_group_id(0) % blocks;"] if walked else []),
            *self._pointers(),
        ]
        if stage is None:
            for p, walk in enumerate(plan.walks):
                lines += self._pass_of_blocks(p, walk) if form.blocks else self._pass_of_one_block(p, walk)
                if walk.folds:
                    lines += self._rows(p + 1)
            return lines + self._row_outputs("present && item == 0")
        for p in range(stage):
            lines += [*self._gathered(plan.walks[p].folds), *self._rows(p + 1)]
        if walked:
            walk = plan.walks[stage]
            lines += [f"const ulong start = block * {BLOCK};",
                      f"const int length = present ? (int)min((ulong){BLOCK}, n - start) : 0;",
                      *self._block(stage, walk)]  # fmt: skip
            if walk.folds:
                lines += [
                    "if (l == 0 && present) {",
                    *(f"s{f}[block] = shared{f}[mine][0][0];" for f in walk.folds),
                    "}",
                ]
        first = "present && item == 0 && block == 0" if walked else "present && item == 0"
        return lines + (self._row_outputs(first) if stage == plan.levels else [])

    def _pass_of_one_block(self, p: int, walk: Pass) -> list[str]:
        lines = ["{", "const ulong start = 0;", "const int length = present ? (int)n : 0;", *self._block(p, walk), "}"]
        return lines + [self._left(f, f"shared{f}[mine][0][0]") for f in walk.folds]

    def _pass_of_blocks(self, p: int, walk: Pass) -> list[str]:
        """Teams take every teams-th block, so that each of the 64 lanes of block results has one team."""
        form, folds = self.form, walk.folds
        lines = []
        if folds:
            lines += [f"for (int j = item; j < {LANES}; j += {form.items}) {{",
                      *(f"second{f}[mine][j] = {self.fold[f].identity};" for f in folds), "}"]  # fmt: skip
        lines += [
            f"for (ulong turn = 0; turn < blocks; turn += {form.teams}) {{",
            "const ulong block = turn + (ulong)team;",
            f"const ulong start = block * {BLOCK};",
            f"const int length = present && block < blocks ? (int)min((ulong){BLOCK}, n - start) : 0;",
            *self._block(p, walk),
        ]
        if folds:
            lines.append("if (l == 0 && block < blocks) {")
            lines += [self._taken(f, f"second{f}[mine][block % {LANES}]", f"shared{f}[mine][team][0]") for f in folds]
            lines += ["}", "barrier(CLK_LOCAL_MEM_FENCE);"]
        lines.append("}")
        if folds:
            lines += self._halves(folds, "second{}[mine]", LANES, "item", form.items)
        return lines + [self._left(f, f"second{f}[mine][0]") for f in folds]

    def _block(self, p: int, walk: Pass) -> list[str]:
        """The elements from `start` on, `length` of them, of each row; folds end up in lane 0."""
        form = self.form
        held_at = "[s]" if form.registers else "[mine][e]"
        steps = form.held // form.lanes if form.registers else 0
        lines = ["{", "const int lane = l;"]
        if form.lanes != form.across:
            lines = [f"for (int lane = l; lane < {form.lanes}; lane += {form.across}) {{"]
        lines += [f"{self.fold[f].accumulator} lane{f} = {self.fold[f].identity};" for f in walk.folds]
        if steps:
            lines += ["#pragma unroll", f"for (int s = 0; s < {steps}; ++s) {{"]
        else:
            lines.append(f"IN_ORDER for (int s = 0; s * {form.lanes} < length; ++s) {{")
        lines += [
            f"const int e = s * {form.lanes} + lane;",
            "if (e < length) {",
            "const INDEX i = (INDEX)start + e;",
        ]
        lines += self._element(p, held_at)
        lines += [self._taken(f, f"lane{f}", self._entered(f)) for f in walk.folds]
        lines += ["}", "}", *(f"shared{f}[mine][team][lane] = lane{f};" for f in walk.folds), "}"]
        return lines + self._halves(walk.folds, "shared{}[mine][team]", form.lanes, "l", form.across)

    def _gathered(self, folds: Sequence[int]) -> list[str]:
        """The folds of an earlier launch, from its blocks' results."""
        form, lines = self.form, []
        lines.append(f"for (int lane = l; lane < {LANES}; lane += {form.across}) {{")
        for f in folds:
            a = self.fold[f]
            lines += [
                f"{a.accumulator} lane{f} = {a.identity};",
                f"IN_ORDER for (ulong b = (ulong)lane; b < blocks; b += {LANES})",
                self._taken(f, f"lane{f}", f"s{f}[b]"),
                f"shared{f}[mine][0][lane] = lane{f};",
            ]
        lines += ["}", *self._halves(folds, "shared{}[mine][0]", LANES, "l", form.across)]
        return lines + [self._left(f, f"shared{f}[mine][0][0]") for f in folds]

    def _halves(self, folds: Sequence[int], array: str, lanes: int, first: str, step: int) -> list[str]:
        """Folds lanes in local memory in halves; every work-item may read lane 0 afterwards.

        The loop is left as it is: PoCL loses the last step of one that it is told to unroll inside a loop over blocks.
        """
        if not folds:
            return []
        arrays = {f: array.format(f) for f in folds}
        return [
            f"for (int fold = {lanes // 2}; fold; fold /= 2) {{",
            "barrier(CLK_LOCAL_MEM_FENCE);",
            f"for (int j = {first}; j < fold; j += {step}) {{",
            *(self._taken(f, f"{its}[j]", f"{its}[j + fold]") for f, its in arrays.items()),
            "}",
            "}",
            "barrier(CLK_LOCAL_MEM_FENCE);",
        ]
