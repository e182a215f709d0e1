"""The OpenCL C of row kernels, as far as it is the same for work-groups (row_lanes.py), for sub-groups
(row_sub_groups.py) and for single work-items (row_items.py, row_loops.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accel.numerics import LANES
from accel.scalar import Fold

from . import build
from .row_passes import Passes

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

    geometry: lanes, sub-groups, items or loops. blocks: rows have several. shared: they are shared out, with a kernel
    for every pass. held: elements that a row holds between passes at most, 0: none. The others are not of loops.
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
    def local(self) -> tuple[int, int, int]:
        """The work-group's size."""
        if self.geometry == "loops":
            return 1, 1, 1
        return (self.rows, self.across, 1) if self.columns else (self.across, self.rows, self.teams)


class Text:
    """Prints the kernels of a program: ``row``, or ``row_0``, ``row_1``… for each pass and what follows the last.

    A geometry's class has `_body`, the text of a kernel: of all passes (stage None), or of one pass after the folds of
    those before were gathered from scratch memory.
    """

    attributes = ""
    more_arguments: tuple[str, ...] = ()

    def __init__(self, plan: Passes, operands: Sequence[Operand], reduced: int, form: Form) -> None:
        self.plan, self.operands, self.reduced, self.form = plan, operands, reduced, form
        program = plan.program
        self.outputs = len(program.outputs)
        self.type = {v: build.STORAGE[its.dtype] for v, its in enumerate(program.values)}
        self.each = [i for i, its in enumerate(operands) if its.each]
        folds = {f: program.steps[f - len(program.inputs)] for f in plan.folds}
        self.fold = {f: arithmetic(it.kind, program.values[f].dtype) for f, it in folds.items() if isinstance(it, Fold)}
        self.argument = {f: it.arg for f, it in folds.items() if isinstance(it, Fold)}

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
            f"__global {its.type} *restrict a{i}, const long at{i}"
            if i < self.outputs
            else f"__global const {its.type} *a{i}, const long at{i}"
            for i, its in enumerate(self.operands)
        ]
        if self.form.shared:
            arguments += [f"__global {self.fold[f].accumulator} *b{f}, const long from{f}" for f in self.plan.folds]
        arguments += ["const Geometry g", "const ulong n", "const ulong rows", "const ulong blocks"]
        arguments += self.more_arguments
        size = ", ".join(map(str, self.form.local))
        attributes = f"{self.attributes}__attribute__((reqd_work_group_size({size})))"
        head = f"{attributes} __kernel void {name}({', '.join(arguments)}) {{\n"
        return head + "".join(f"{line}\n" for line in self._body(stage)) + "}\n"

    def _body(self, stage: int | None) -> list[str]:
        raise NotImplementedError

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
            "UINDEX rest = (UINDEX)i;",
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
        strided = f"i * g.reduced[{self.each.index(j)}][0]"
        return {"UNIT": "i", "SAME": "0"}.get(self.operands[j].step, strided)

    def _entered(self, f: int) -> str:
        return self.fold[f].enter.format(f"y{self.argument[f]}")

    def _combined(self, f: int, target: str, a: str, b: str) -> str:
        return f"{target} = {self.fold[f].combine.format(a, b)};"

    def _taken(self, f: int, target: str, value: str) -> str:
        return self._combined(f, target, target, value)

    def _left(self, f: int, total: str) -> str:
        return f"const {self.type[f]} row{f} = {self.fold[f].leave.format(total)};"

    def _row_outputs(self, once: str) -> list[str]:
        program = self.plan.program
        kept = [(k, v) for k, v in enumerate(program.outputs) if not program.values[v].each]
        return [f"if ({once}) {{", *(f"p{k}[0] = row{v};" for k, v in kept), "}"] if kept else []
