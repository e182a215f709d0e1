"""Row kernels by sub-groups, for short rows on CPU devices that have them: a sub-group is a SIMD register, whose lanes
are folded by shuffles. No barrier and no local memory."""

from __future__ import annotations

from accel.numerics import LANES

from .row_passes import Pass
from .row_text import Text

SIZE = 16
"""Work-items of a sub-group; each has LANES / SIZE lanes."""


class SubGroups(Text):
    """A sub-group for rows of one block, one after the other."""

    attributes = f"__attribute__((intel_reqd_sub_group_size({SIZE}))) "
    more_arguments = ("const ulong tasks", "const ulong each")

    def _body(self, stage: int | None) -> list[str]:
        assert stage is None
        form, plan = self.form, self.plan
        lines = [
            "const int l = (int)get_local_id(0), length = (int)n;",
            "const ulong last_task = min(tasks, (get_group_id(0) + 1) * each);",
            "for (ulong here = get_group_id(0) * each; here < last_task; ++here) {",
            *(f"{self.type[v]} keep{v}[{form.held // SIZE}] = {{0}};" for v in plan.held),
            *self._pointers(),
        ]
        for p, walk in enumerate(plan.walks):
            lines += self._walk(p, walk)
            if walk.folds:
                lines += self._rows(p + 1)
        return [*lines, *self._row_outputs("l == 0"), "}"]

    def _walk(self, p: int, walk: Pass) -> list[str]:
        """Lanes l, l + SIZE… of item l; then the lanes in halves: all items get the result, as sums commute."""
        each, folds = LANES // SIZE, walk.folds
        lines = [f"{self.fold[f].accumulator} lane{f}[{each}];" for f in folds]
        lines += ["#pragma unroll", f"for (int q = 0; q < {each}; ++q) {{",
                  *(f"lane{f}[q] = {self.fold[f].identity};" for f in folds), "}"] if folds else []  # fmt: skip
        lines += [
            "#pragma unroll",
            f"for (int s = 0; s < {self.form.held // SIZE}; ++s) {{",
            f"const int e = s * {SIZE} + l;",
            "if (e < length) {",
            "const INDEX i = e;",
            *self._element(p, "[s]"),
            *(self._taken(f, f"lane{f}[s % {each}]", self._entered(f)) for f in folds),
            "}",
            "}",
        ]
        half = each // 2
        while half:
            lines += [self._taken(f, f"lane{f}[{j}]", f"lane{f}[{j + half}]") for f in folds for j in range(half)]
            half //= 2
        half = SIZE // 2
        while half:
            lines += [self._taken(f, f"lane{f}[0]", f"intel_sub_group_shuffle_xor(lane{f}[0], {half})") for f in folds]
            half //= 2
        return lines + [self._left(f, f"lane{f}[0]") for f in folds]
