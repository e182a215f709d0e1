"""The Triton source of a row program: a kernel in one of three forms.

    kept     a tile holds whole rows; every input is read once
    looped   a program instance walks a row's blocks once for every level of folds, and once more for the outputs
    shared   a program instance has one block of a row; one launch for every level of folds, whose block results go to
             scratch, and one more for the outputs. Where these are of rows, the last instance of each row computes
             them in the launch of the last folds

A fold's level is one more than that of the folds that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from accel.numerics import BLOCK, LANES
from accel.scalar import Fold, Index, Program, RowProgram, Step
from accel.scalar.expr import FLOATS, limits
from accel.scalar.triton import print_program

HEAD = """\"\"\"A row program of accel, printed for Triton.\"\"\"

import triton
import triton.language as tl

from accel.kernels.triton.device.arrive import last, put, taken
from accel.kernels.triton.device.index import offset_of
from accel.kernels.triton.device.row import gathered, joined, placed
"""

CONSTANTS = ("ROWS", "WIDTH", "LANES", "BLOCKS", "BLOCK_LANES", "INDEX")
"""Rows and columns of a tile, lanes of its columns; columns and lanes of a row's block results; type of an index."""

COMBINE = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}
"""The scalar function of a kind of fold."""


def levels(program: RowProgram) -> tuple[int, ...]:
    """By value, how many folds follow each other up to it."""
    found = [0] * len(program.inputs)
    for item in program.steps:
        args = () if isinstance(item, Index) else (item.arg,) if isinstance(item, Fold) else item.args
        found.append(max((found[a] for a in args), default=0) + isinstance(item, Fold))
    return tuple(found)


def folds(program: RowProgram) -> dict[int, Fold]:
    """The folds by the numbers of their values."""
    return {v: item for v, item in enumerate(program.steps, len(program.inputs)) if isinstance(item, Fold)}


def operands(program: RowProgram) -> list[str]:
    """Names of the pointers of outputs and inputs."""
    return [*(f"o{k}" for k in range(len(program.outputs))), *(f"x{v}" for v in range(len(program.inputs)))]


def scratch(program: RowProgram, form: str) -> list[str]:
    """Names of the pointers of folds' block results."""
    return [f"s{v}" for v in folds(program)] if form == "shared" else []


def launches(program: RowProgram, form: str) -> int:
    """How many there are, of which the first computes the folds of level 1."""
    deepest = max(levels(program))
    return 1 if form != "shared" else max(1, deepest + any(program.values[v].each for v in program.outputs))


def part(program: RowProgram, wanted: Iterable[int], given: Callable[[int], bool]) -> tuple[tuple[int, ...], Program]:
    """Values of a row program as a scalar program of given ones, and the numbers of those that it takes."""
    wanted = tuple(wanted)
    needed, used, made = set(wanted), [], []
    for v in reversed(range(len(program.values))):
        if v in needed and given(v):
            used.append(v)
        elif v in needed:
            made.append(v)
            needed.update(program.steps[v - len(program.inputs)].args)
    used.reverse()
    made.reverse()
    number = {v: i for i, v in enumerate((*used, *made))}
    steps = [program.steps[v - len(program.inputs)] for v in made]
    renumbered = tuple(Step(s.function, s.dtype, tuple(number[a] for a in s.args)) for s in steps)
    dtypes = tuple(program.values[v].dtype for v in used)
    return tuple(used), Program(dtypes, renumbered, program.values[wanted[0]].dtype, tuple(number[v] for v in wanted))


class Writer:
    """The text of one kernel.

    named: values that have a variable at this place, ``v`` and their number: of each row [ROWS], of each element
    [ROWS, WIDTH].
    """

    def __init__(self, program: RowProgram) -> None:
        self.program, self.folds, self.levels = program, folds(program), levels(program)
        self.functions: list[str] = []
        self.lines: list[str] = []
        self.named: set[int] = set()
        self.indent = "    "
        self.combining: dict[tuple[str, str], str] = {}

    def line(self, text: str) -> None:
        self.lines.append(f"{self.indent}{text}\n")

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """The body of a loop, whose variables end with it."""
        before = set(self.named)
        self.line(head)
        self.indent += "    "
        yield
        self.indent, self.named = self.indent[4:], before

    def function(self, program: Program) -> str:
        """The name of a program's function."""
        name = f"stage{len(self.functions)}"
        self.functions.append(print_program(program, name))
        return name

    def combine(self, v: int) -> tuple[str, str, bool]:
        """The functions that combine a fold's values, two and along axis 1, and whether the order matters."""
        kind, dtype = self.folds[v].kind, self.program.values[v].dtype
        if (kind, dtype) not in self.combining:
            two = self.function(Program((dtype, dtype), (Step(COMBINE[kind], dtype, (0, 1)),), dtype))
            self.functions.append(f"@triton.jit\ndef {two}_all(x):\n    return tl.reduce(x, 1, {two})\n")
            self.combining[kind, dtype] = two
        two = self.combining[kind, dtype]
        return two, f"{two}_all", _ordered(kind, dtype)

    def identity(self, v: int, shape: str) -> str:
        """A tile of what changes no value of a fold."""
        dtype = self.program.values[v].dtype
        return f"tl.full({shape}, {_identity(self.folds[v].kind, dtype)}, tl.{dtype})"

    # values

    def each(self, v: int) -> bool:
        return self.program.values[v].each

    def at_hand(self, v: int) -> bool:
        """Whether an element program may take a value: it is a row's, or in memory, or computed already."""
        first = len(self.program.inputs)
        return v < first or not self.each(v) or v in self.named or isinstance(self.program.steps[v - first], Index)

    def rows(self, wanted: Iterable[int]) -> None:
        """Names values of each row. Their folds have names."""
        for v in wanted:
            if v in self.named:
                continue
            if v < len(self.program.inputs):
                self.line(f"v{v} = tl.load(x{v}_row, mask=here, other=0)")
            else:
                used, program = part(
                    self.program, [v], lambda u: u in self.named or u in self.folds or u < len(self.program.inputs)
                )
                self.rows(used)
                self.line(f"v{v} = {self.function(program)}({', '.join(f'v{u}' for u in used)})")
            self.named.add(v)

    def before(self, wanted: Iterable[int]) -> None:
        """Names the values of each row that elements' values need, outside of the loop that computes these."""
        wanted = list(wanted)
        made = [v for v in wanted if not self.at_hand(v)]
        used = part(self.program, made, self.at_hand)[0] if made else ()
        self.rows(v for v in (*used, *wanted) if not self.each(v))

    def elements(self, wanted: Iterable[int]) -> list[str]:
        """The texts of values as tiles; `before` was called with them."""
        wanted = list(wanted)
        made = [v for v in wanted if not self.at_hand(v)]
        if made:
            used, program = part(self.program, made, self.at_hand)
            given = [self.tile(v) for v in used]
            self.line(f"{', '.join(f'v{v}' for v in made)} = {self.function(program)}({', '.join(given)})")
            self.named.update(made)
        return [self.tile(v) for v in wanted]

    def tile(self, v: int) -> str:
        """A value at hand as a tile."""
        if not self.each(v):
            return f"tl.broadcast_to(v{v}[:, None], [ROWS, WIDTH])"
        if v not in self.named:
            if v < len(self.program.inputs):
                address = f"x{v}_row[:, None] + offset_of(i, reduced, x{v}_reduced)"
                self.line(f"v{v} = tl.load({address}, mask=there, other=0)")
            else:
                self.line(f"v{v} = tl.broadcast_to(i, [ROWS, WIDTH]).to(tl.int64)")
            self.named.add(v)
        return f"v{v}"

    # stages

    def at(self, level: int) -> list[int]:
        """The folds of a level."""
        return [v for v in self.folds if self.levels[v] == level]

    def start(self, v: int, name: str, lanes: str) -> None:
        """Makes an accumulator of a fold."""
        self.line(f"{name} = {self.identity(v, f'[ROWS, {lanes}]' if self.combine(v)[-1] else '[ROWS]')}")

    def gather(self, v: int, acc: str, tile: str, mask: str, width: str, lanes: str) -> None:
        """Takes a tile into an accumulator."""
        masked = f"tl.where({mask}, {tile}, {self.identity(v, '()')})"
        two, along, its_order = self.combine(v)
        self.line(f"{acc} = gathered({acc}, {masked}, {two}, {along}, {its_order}, ROWS, {width}, {lanes})")

    def join(self, v: int, name: str, acc: str, lanes: str) -> None:
        """Names a fold's result."""
        _, along, its_order = self.combine(v)
        self.line(f"{name} = joined({acc}, {along}, {its_order}, ROWS, {lanes})")

    def columns(self, first: str) -> None:
        """The tile of elements from ``first`` on."""
        self.line(f"i = {first} + tl.arange(0, WIDTH)[None, :].to(INDEX)")
        self.line("there = here[:, None] & (i < n)")

    @contextmanager
    def tiles(self) -> Iterator[None]:
        """The loop over the tiles of block ``b``."""
        with self.block(f"for start in range(b * {BLOCK}, tl.minimum(b * {BLOCK} + {BLOCK}, n), WIDTH):"):
            self.columns("start")
            yield

    def block_results(self, wanted: Sequence[int]) -> None:
        """Names the results ``p`` that folds have in block ``b``."""
        for v in wanted:
            self.start(v, f"a{v}", "LANES")
        with self.tiles():
            for v, tile in zip(wanted, self.elements(self.folds[v].arg for v in wanted), strict=True):
                self.gather(v, f"a{v}", tile, "there", "WIDTH", "LANES")
        for v in wanted:
            self.join(v, f"p{v}", f"a{v}", "LANES")

    def store(self, each: bool, mask: str) -> None:
        """Writes the outputs of each element, or of each row."""
        outputs = [(k, v) for k, v in enumerate(self.program.outputs) if self.each(v) == each]
        texts = self.elements(v for _, v in outputs) if each else [f"v{v}" for _, v in outputs]
        for (k, _), text in zip(outputs, texts, strict=True):
            address = f"o{k}_row[:, None] + offset_of(i, reduced, o{k}_reduced)" if each else f"o{k}_row"
            self.line(f"tl.store({address}, {text}, mask={mask})")

    def addresses(self) -> None:
        self.line("here = r < rows")
        for name in operands(self.program):
            self.line(f"{name}_row = {name} + offset_of(r, kept, {name}_kept)")

    # forms

    def kept(self) -> None:
        self.line("r = tl.program_id(0).to(INDEX) * ROWS + tl.arange(0, ROWS).to(INDEX)")
        self.addresses()
        self.columns("0")
        for level in range(1, max(self.levels) + 1):
            wanted = self.at(level)
            self.before(self.folds[v].arg for v in wanted)
            tiles = self.elements(self.folds[v].arg for v in wanted)
            for v, tile in zip(wanted, tiles, strict=True):
                self.start(v, f"a{v}", "LANES")
                self.gather(v, f"a{v}", tile, "there", "WIDTH", "LANES")
                self.join(v, f"v{v}", f"a{v}", "LANES")
                self.named.add(v)
        self.before(self.program.outputs)
        self.store(True, "there")
        self.store(False, "here")

    def looped(self) -> None:
        self.line("r = tl.program_id(0).to(INDEX) * ROWS + tl.arange(0, ROWS).to(INDEX)")
        self.addresses()
        for level in range(1, max(self.levels) + 1):
            wanted = self.at(level)
            self.before(self.folds[v].arg for v in wanted)
            for v in wanted:
                self.start(v, f"b{v}", str(LANES))
            with self.block("for b in range(0, blocks):"):
                self.block_results(wanted)
                for v in wanted:
                    two, _, its_order = self.combine(v)
                    self.line(f"b{v} = placed(b{v}, p{v}, b, {two}, {its_order}, ROWS)")
            for v in wanted:
                self.join(v, f"v{v}", f"b{v}", str(LANES))
                self.named.add(v)
        self.before(self.program.outputs)
        if any(map(self.each, self.program.outputs)):
            with self.block("for b in range(0, blocks):"), self.tiles():
                self.store(True, "there")
        self.store(False, "here")

    def row_results(self, wanted: Iterable[int], load: str) -> None:
        """Names the results of folds, of block results in scratch. load: the function of places and a mask."""
        for v in wanted:
            self.start(v, f"c{v}", "BLOCK_LANES")
            self.line(f"q{v} = {load}(s{v} + r[:, None] * blocks + j, j < blocks)")
            self.gather(v, f"c{v}", f"q{v}", "j < blocks", "BLOCKS", "BLOCK_LANES")
            self.join(v, f"v{v}", f"c{v}", "BLOCK_LANES")
            self.named.add(v)

    def shared(self, level: int) -> None:
        """level: of the folds whose block results are found; one more than all for outputs of each element."""
        self.line("r = tl.program_id(0).to(INDEX) // blocks + tl.arange(0, ROWS).to(INDEX)")
        self.line("b = tl.program_id(0).to(INDEX) % blocks")
        self.line("j = tl.arange(0, BLOCKS)[None, :].to(INDEX)")
        self.addresses()
        self.row_results((v for k in range(1, level) for v in self.at(k)), "tl.load")
        if level > max(self.levels):
            self.before(self.program.outputs)
            with self.tiles():
                self.store(True, "there")
            self.store(False, "here & (b == 0)")
            return
        wanted = self.at(level)
        self.before(self.folds[v].arg for v in wanted)
        self.block_results(wanted)
        if level < launches(self.program, "shared"):
            for v in wanted:
                self.line(f"tl.store(s{v} + r * blocks + b, p{v}, mask=here)")
            return
        for v in wanted:
            self.line(f"put(s{v} + r * blocks + b, p{v}, here)")
        with self.block("if last(counters + tl.program_id(0).to(INDEX) // blocks, blocks):"):
            self.row_results(wanted, "taken")
            self.before(self.program.outputs)
            self.store(False, "here")

    def text(self, form: str) -> str:
        names = operands(self.program)
        strides = [f"{name}_{axes}" for name in names for axes in ("kept", "reduced")]
        runtime = [*names, *scratch(self.program, form), "counters", "n", "rows", "blocks", "kept", "reduced", *strides]
        constants = [f"{name}: tl.constexpr" for name in CONSTANTS]
        head = f"@triton.jit\ndef row(\n    {', '.join(runtime)},\n    {', '.join(constants)},\n):\n"
        return "\n\n".join([HEAD, *self.functions, head + "".join(self.lines)])


def _ordered(kind: str, dtype: str) -> bool:
    """Whether a fold's bits depend on the order of its elements."""
    return kind in ("sum", "prod") and dtype in FLOATS


def _identity(kind: str, dtype: str) -> str:
    """What leaves every value as it is, as Python text."""
    if kind in ("sum", "prod"):
        return {"sum": "-0.0" if dtype in FLOATS else "0", "prod": "1"}[kind]
    if dtype in FLOATS:
        return f'float("{"-" if kind == "max" else ""}inf")'
    return str(limits(dtype)[kind == "min"])


@lru_cache(maxsize=512)
def source(program: RowProgram, form: str, level: int) -> str:
    """The text of a module with the kernel ``row``. level: of the form ``shared``."""
    writer = Writer(program)
    if form == "kept":
        writer.kept()
    elif form == "looped":
        writer.looped()
    else:
        writer.shared(level)
    return writer.text(form)


def sums(program: RowProgram) -> int:
    """How many folds there are whose elements have an order."""
    return sum(_ordered(fold.kind, program.values[v].dtype) for v, fold in folds(program).items())


def live_bytes(program: RowProgram) -> int:
    """Bytes of registers that an element's values need at most, from one stage of a kept row to the next."""
    writer, stages = Writer(program), []
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for level in range(1, max(writer.levels) + 2):
        wanted: Sequence[int] = [writer.folds[v].arg for v in writer.at(level)] or program.outputs
        wanted = [v for v in wanted if program.values[v].each]
        made = [v for v in wanted if not writer.at_hand(v)]
        used = part(program, made, writer.at_hand)[0] if made else ()
        for v in {*used, *wanted}:
            if program.values[v].each:
                first.setdefault(v, level)
                last[v] = level
        writer.named.update(made)
        stages.append(level)
    return max(
        sum(8 if "64" in program.values[v].dtype else 4 for v in first if first[v] <= level <= last[v])
        for level in stages
    )
