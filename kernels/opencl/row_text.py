"""The OpenCL C of row kernels: passes printed for work-groups (lanes) or for single work-items (loops)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accel.numerics import BLOCK, LANES
from accel.scalar import Fold

from . import build
from .row_passes import Part, Pass, Passes

LOWEST = {"int": "(-0x7fffffff - 1)", "long": "(-0x7fffffffffffffffL - 1L)"}
HIGHEST = {"int": "0x7fffffff", "long": "0x7fffffffffffffffL"}


@dataclass(frozen=True)
class Arithmetic:
    """How a kind of fold computes a dtype. accumulator: type of lanes and block results. enter, leave: between the
    value and it. combine, identity: of the accumulators, and of vectors of them."""

    accumulator: str
    enter: str
    leave: str
    combine: str
    identity: str

    @property
    def itemsize(self) -> int:
        return 4 if self.accumulator in ("int", "float") else 8


def arithmetic(kind: str, dtype: str) -> Arithmetic:
    """The arithmetic of a fold."""
    if kind in ("max", "min"):
        return _extreme(kind, dtype)
    combine = f"{{}} {'+' if kind == 'sum' else '*'} {{}}"
    if dtype in ("float32", "float64"):
        suffix = "f" if dtype == "float32" else ""
        identity = f"-0.0{suffix}" if kind == "sum" else f"1.0{suffix}"
        return Arithmetic(build.STORAGE[dtype], "{}", "{}", combine, identity)
    return Arithmetic(
        "ulong", "as_ulong({})", f"as_{build.STORAGE[dtype]}({{}})", combine, "0" if kind == "sum" else "1"
    )


def _extreme(kind: str, dtype: str) -> Arithmetic:
    combine = f"{kind}({{}}, {{}})"
    if dtype == "uint64":
        return Arithmetic("ulong", "{}", "{}", combine, "0UL" if kind == "max" else "0xffffffffffffffffUL")
    key = "int" if dtype == "float32" else "long"
    loses, wins = (LOWEST[key], HIGHEST[key]) if kind == "max" else (HIGHEST[key], LOWEST[key])
    if dtype == "int64":
        return Arithmetic(key, "{}", "{}", combine, loses)
    bits, back = (32, "float") if dtype == "float32" else (64, "double")
    return Arithmetic(key, f"key{bits}(as_{key}({{}}), {wins})", f"as_{back}(bits{bits}({{}}))", combine, loses)


@dataclass(frozen=True)
class Operand:
    """An output or an input. step: how an element's neighbour follows (UNIT, SAME or STRIDED)."""

    type: str
    each: bool
    step: str


@dataclass(frozen=True)
class Form:
    """What kernels are printed for, besides the program and its operands.

    geometry: lanes or loops. blocks: rows have several. shared: they are shared out, with a kernel for every pass.
    held: elements that a row holds between passes at most, 0: none. The others are of the lanes geometry.
    lanes: those that have elements. across: work-items that share them; rows, teams: of a work-group: each team takes
    every teams-th block. columns: neighbouring work-items take neighbouring rows. registers: where elements are held.
    """

    geometry: str
    blocks: bool
    shared: bool
    held: int
    lanes: int = LANES
    across: int = LANES
    rows: int = 1
    teams: int = 1
    columns: bool = False
    registers: bool = False

    @property
    def items(self) -> int:
        """Work-items of a row."""
        return self.across * self.teams

    @property
    def local(self) -> tuple[int, int]:
        """The work-group's size."""
        if self.geometry == "loops":
            return 1, 1
        return (self.rows, self.items) if self.columns else (self.items, self.rows)


class Text:
    """Prints the kernels of a program: ``row``, or ``row_0``, ``row_1``… for each pass and what follows the last."""

    def __init__(self, plan: Passes, operands: Sequence[Operand], reduced: int, form: Form) -> None:
        self.plan, self.operands, self.reduced, self.form = plan, operands, reduced, form
        program = plan.program
        self.outputs = len(program.outputs)
        self.type = {v: build.STORAGE[its.dtype] for v, its in enumerate(program.values)}
        self.each = [i for i, its in enumerate(operands) if its.each]
        folds = {f: program.steps[f - len(program.inputs)] for f in plan.folds}
        self.fold = {f: arithmetic(it.kind, program.values[f].dtype) for f, it in folds.items() if isinstance(it, Fold)}
        self.argument = {f: it.arg for f, it in folds.items() if isinstance(it, Fold)}

    # what both geometries share

    def functions(self) -> str:
        """The scalar programs."""
        named = [(f"pass_{p}", walk.part) for p, walk in enumerate(self.plan.walks)]
        named += [(f"rows_{p}", part) for p, part in enumerate(self.plan.rows) if part is not None]
        return "".join(build.procedure(part.program, name) for name, part in named)

    def kernels(self) -> str:
        """All kernels."""
        if not self.form.shared:
            return self._kernel("row", None)
        return "".join(self._kernel(f"row_{stage}", stage) for stage in range(self.plan.levels + 1))

    def _kernel(self, name: str, stage: int | None) -> str:
        arguments = [
            f"__global {'' if i < self.outputs else 'const '}{its.type} *{'restrict ' if i < self.outputs else ''}a{i}, "
            f"const long at{i}"
            for i, its in enumerate(self.operands)
        ]
        if self.form.shared:
            arguments += [f"__global {self.fold[f].accumulator} *b{f}, const long from{f}" for f in self.plan.folds]
        arguments += ["const Geometry g", "const ulong n", "const ulong rows", "const ulong blocks"]
        body = self._lanes(stage) if self.form.geometry == "lanes" else self._loops(stage)
        if self.form.geometry == "loops":
            arguments += ["const ulong tasks", "const ulong each"]
        x, y = self.form.local
        head = f"__attribute__((reqd_work_group_size({x}, {y}, 1))) __kernel void {name}({', '.join(arguments)}) {{\n"
        return head + "".join(f"{line}\n" for line in body) + "}\n"

    def _pointers(self) -> list[str]:
        """Every operand at its place in the row `here`, the row's inputs and what is known before the first pass."""
        lines = [
            f"__global {'' if i < self.outputs else 'const '}{its.type} *p{i} = a{i} + at{i};"
            for i, its in enumerate(self.operands)
        ]
        if self.form.shared:
            lines += [f"__global {self.fold[f].accumulator} *s{f} = b{f} + from{f} + here * blocks;" for f in self.fold]
        lines += [
            "{",
            "UINDEX rest = (UINDEX)here;",
            "for (int axis = KEPT - 1; axis >= 0; --axis) {",
            "const UINDEX length = (UINDEX)g.kept_shape[axis];",
            "const INDEX place = (INDEX)(axis ? rest % length : rest);",
            "rest = axis ? rest / length : 0;",
            *(f"p{i} += place * g.kept[{i}][axis];" for i in range(len(self.operands))),
            "}",
            "}",
        ]
        for v, its in enumerate(self.plan.program.inputs):
            if not its.each:
                lines.append(f"const {self.type[v]} row{v} = p{self.outputs + v}[0];")
        return lines + self._rows(0)

    def _rows(self, p: int) -> list[str]:
        """Values of the row that are known before pass p."""
        part = self.plan.rows[p]
        if part is None:
            return []
        return [f"{self.type[v]} row{v};" for v in part.results] + [
            self._call(f"rows_{p}", [f"row{v}" for v in part.given], [f"row{v}" for v in part.results])
        ]

    def _call(self, function: str, given: list[str], results: list[str]) -> str:
        return f"{function}({', '.join([*given, *(f'&{name}' for name in results)])});"

    def _element(self, p: int, held_at: str) -> list[str]:
        """One element of a pass: number `i` of the row; its held values lie at `held_at`."""
        walk, program = self.plan.walks[p], self.plan.program
        part, inputs = walk.part, len(program.inputs)
        reads = [v for v in part.given if program.values[v].each and v not in walk.takes]
        used = [self.outputs + v for v in reads if v < inputs] + list(walk.outputs)
        lines = self._offsets(used)
        for v in reads:
            source = f"p{self.outputs + v}[{self._at(self.outputs + v)}]" if v < inputs else "(long)i"
            lines.append(f"const {self.type[v]} x{v} = {source};")
        lines += [f"const {self.type[v]} x{v} = keep{v}{held_at};" for v in walk.takes]
        lines += [f"{self.type[v]} y{v};" for v in part.results]
        given = [f"x{v}" if program.values[v].each else f"row{v}" for v in part.given]
        lines.append(self._call(f"pass_{p}", given, [f"y{v}" for v in part.results]))
        lines += [f"keep{v}{held_at} = {'x' if v in part.given else 'y'}{v};" for v in walk.holds]
        return lines + [f"p{k}[{self._at(k)}] = y{program.outputs[k]};" for k in walk.outputs]

    def _offsets(self, operands: list[int]) -> list[str]:
        """The place of element i along several reduced axes, for each of the operands."""
        if self.reduced == 1 or not operands:
            return []
        return [
            f"INDEX {', '.join(f'o{j} = 0' for j in operands)};",
            "{",
            "UINDEX rest = i;",
            "#pragma unroll",
            "for (int axis = REDUCED - 1; axis >= 0; --axis) {",
            "const UINDEX length = (UINDEX)g.reduced_shape[axis];",
            "const INDEX place = (INDEX)(axis ? rest % length : rest);",
            "rest = axis ? rest / length : 0;",
            *(f"o{j} += place * g.reduced[{self.each.index(j)}][axis];" for j in operands),
            "}",
            "}",
        ]

    def _at(self, j: int) -> str:
        if self.reduced > 1:
            return f"o{j}"
        strided = f"(INDEX)i * g.reduced[{self.each.index(j)}][0]"
        return {"UNIT": "i", "SAME": "0"}.get(self.operands[j].step, strided)

    def _entered(self, f: int) -> str:
        return self.fold[f].enter.format(f"y{self.argument[f]}")

    def _left(self, f: int, total: str) -> str:
        return f"const {self.type[f]} row{f} = {self.fold[f].leave.format(total)};"

    def _row_outputs(self, once: str) -> list[str]:
        program = self.plan.program
        kept = [(k, v) for k, v in enumerate(program.outputs) if not program.values[v].each]
        return [f"if ({once}) {{", *(f"p{k}[0] = row{v};" for k, v in kept), "}"] if kept else []

    # a work-group for a row or several

    def _lanes(self, stage: int | None) -> list[str]:
        form, plan = self.form, self.plan
        walked = stage is not None and stage < len(plan.walks)
        lines = [
            f"__local {a.accumulator} shared{f}[{form.rows}][{form.teams}][{form.lanes}];" for f, a in self.fold.items()
        ]
        if form.blocks and not form.shared:
            lines += [f"__local {a.accumulator} second{f}[{form.rows}][{LANES}];" for f, a in self.fold.items()]
        if form.held:
            kind, size = (
                ("", f"[{form.held // form.lanes}]") if form.registers else ("__local ", f"[{form.rows}][{form.held}]")
            )
            lines += [f"{kind}{self.type[v]} keep{v}{size};" for v in plan.held]
        x, y = (1, 0) if form.columns else (0, 1)
        lines += [
            f"const int item = (int)get_local_id({x}), mine = (int)get_local_id({y});",
            f"const int l = item % {form.across}, team = item / {form.across};",
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
            for f in folds:
                place = f"second{f}[mine][block % {LANES}]"
                lines.append(f"{place} = {self.fold[f].combine.format(place, f'shared{f}[mine][team][0]')};")
            lines += ["}", "barrier(CLK_LOCAL_MEM_FENCE);"]
        lines.append("}")
        if folds:
            lines += self._halves(folds, "second{}[mine]", LANES, "item", form.items)
        return lines + [self._left(f, f"second{f}[mine][0]") for f in folds]

    def _block(self, p: int, walk: Pass) -> list[str]:
        """The elements from `start` on, `length` of them, of each row; folds end up in lane 0."""
        form, accumulators = self.form, self.fold
        one = form.lanes == form.across
        held_at = "[s]" if form.registers else "[mine][e]"
        steps = form.held // form.lanes if form.registers else 0
        lines = ["{", "const int lane = l;"] if one else [
            f"for (int lane = l; lane < {form.lanes}; lane += {form.across}) {{"]  # fmt: skip
        lines += [f"{accumulators[f].accumulator} lane{f} = {accumulators[f].identity};" for f in walk.folds]
        if steps:
            lines += ["#pragma unroll", f"for (int s = 0; s < {steps}; ++s) {{"]
        else:
            lines.append(f"for (int s = 0; s * {form.lanes} < length; ++s) {{")
        lines += [
            f"const int e = s * {form.lanes} + lane;",
            "if (e < length) {",
            "const UINDEX i = (UINDEX)start + (UINDEX)e;",
        ]
        lines += self._element(p, held_at)
        lines += [f"lane{f} = {accumulators[f].combine.format(f'lane{f}', self._entered(f))};" for f in walk.folds]
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
                f"for (ulong b = (ulong)lane; b < blocks; b += {LANES}) lane{f} = {a.combine.format(f'lane{f}', f's{f}[b]')};",
                f"shared{f}[mine][0][lane] = lane{f};",
            ]
        lines += ["}", *self._halves(folds, "shared{}[mine][0]", LANES, "l", form.across)]
        return lines + [self._left(f, f"shared{f}[mine][0][0]") for f in folds]

    def _halves(self, folds: Sequence[int], array: str, lanes: int, first: str, step: int) -> list[str]:
        """Folds lanes in local memory in halves; every work-item may read lane 0 afterwards."""
        if not folds:
            return []
        lines = ["#pragma unroll", f"for (int fold = {lanes // 2}; fold; fold /= 2) {{", "barrier(CLK_LOCAL_MEM_FENCE);",
                 f"for (int j = {first}; j < fold; j += {step}) {{"]  # fmt: skip
        for f in folds:
            its = array.format(f)
            lines.append(f"{its}[j] = {self.fold[f].combine.format(f'{its}[j]', f'{its}[j + fold]')};")
        return [*lines, "}", "}", "barrier(CLK_LOCAL_MEM_FENCE);"]

    # a work-item for a row

    def _loops(self, stage: int | None) -> list[str]:
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
            "const UINDEX i = (UINDEX)start + (UINDEX)(first + l);",
            *self._element(p, "[i]"),
            *(f"value{f}[l] = {self._entered(f)};" for f in folds),
            "}",
        ]
        if folds:
            lines += [f"for (int l = present; l < {LANES}; ++l) {{",
                      *(f"value{f}[l] = {self.fold[f].identity};" for f in folds), "}"]  # fmt: skip
        for f in folds:
            lines += [
                f"lane{f}_{j} = {self.fold[f].combine.format(f'lane{f}_{j}', f'vload16({j}, value{f})')};"
                for j in range(4)
            ]
        return [*lines, "}", *(line for f in folds for line in self._vector_folded(f))]

    def _vector_folded(self, f: int) -> list[str]:
        """64 lanes in four vectors to total and the number of the fold."""
        a = self.fold[f]

        def halves(left: str, right: str) -> str:
            return a.combine.format(left, right)

        lines = [f"lane{f}_{j} = {halves(f'lane{f}_{j}', f'lane{f}_{j + 2}')};" for j in (0, 1)]
        lines.append(f"lane{f}_0 = {halves(f'lane{f}_0', f'lane{f}_1')};")
        whole = f"lane{f}_0"
        for width in (8, 4, 2):
            half = f"fold{f}_{width}"
            lines.append(f"const {a.accumulator}{width} {half} = {halves(f'{whole}.lo', f'{whole}.hi')};")
            whole = half
        return [*lines, f"const {a.accumulator} total{f} = {halves(f'{whole}.x', f'{whole}.y')};"]

    def _seconds(self, folds: Sequence[int]) -> list[str]:
        if not folds:
            return []
        return [*(f"{self.fold[f].accumulator} second{f}[{LANES}];" for f in folds), f"for (int l = 0; l < {LANES}; ++l) {{",
                *(f"second{f}[l] = {self.fold[f].identity};" for f in folds), "}"]  # fmt: skip

    def _second(self, f: int, value: str) -> str:
        place = f"second{f}[block % {LANES}]"
        return f"{place} = {self.fold[f].combine.format(place, value)};"

    def _seconds_folded(self, folds: Sequence[int]) -> list[str]:
        lines = []
        for f in folds:
            kind = f"{self.fold[f].accumulator}16"
            lines += [f"{self.type[f]} row{f};", "{", *(f"{kind} lane{f}_{j} = vload16({j}, second{f});" for j in range(4)),
                      *self._vector_folded(f), f"row{f} = {self.fold[f].leave.format(f'total{f}')};", "}"]  # fmt: skip
        return lines
