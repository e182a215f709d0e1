"""Row kernels by single work-items, neighbours for neighbouring rows: short rows on CPU devices, whose compilers make
SIMD code of neighbouring work-items where they do so little. No barrier and no local memory."""

from __future__ import annotations

from .row_passes import Pass
from .row_text import Text


class Items(Text):
    """A work-item for a row, which holds all its lanes in registers."""

    def _body(self, stage: int | None) -> list[str]:
        assert stage is None
        form, plan = self.form, self.plan
        lines = [f"{self.type[v]} keep{v}[{form.held}] = {{0}};" for v in plan.held] if form.held else []
        lines += ["const ulong here = get_global_id(0);", "if (here >= rows) return;", *self._pointers()]
        lines.append("const int length = (int)n;")
        for p, walk in enumerate(plan.walks):
            lines += self._walk(p, walk)
            if walk.folds:
                lines += self._rows(p + 1)
        return lines + self._row_outputs("true")

    def _walk(self, p: int, walk: Pass) -> list[str]:
        """Every element is a lane; then the lanes in halves."""
        lanes, folds = self.form.lanes, walk.folds
        lines = [f"{self.fold[f].accumulator} lane{f}[{lanes}];" for f in folds]
        lines += [
            "#pragma unroll",
            f"for (int lane = 0; lane < {lanes}; ++lane) {{",
            *(f"lane{f}[lane] = {self.fold[f].identity};" for f in folds),
            "if (lane < length) {",
            "const INDEX i = lane;",
            *self._element(p, "[lane]"),
            *(self._taken(f, f"lane{f}[lane]", self._entered(f)) for f in folds),
            "}",
            "}",
        ]
        half = lanes // 2
        while folds and half:
            lines += ["#pragma unroll", f"for (int j = 0; j < {half}; ++j) {{",
                      *(self._taken(f, f"lane{f}[j]", f"lane{f}[j + {half}]") for f in folds), "}"]  # fmt: skip
            half //= 2
        return lines + [self._left(f, f"lane{f}[0]") for f in folds]
