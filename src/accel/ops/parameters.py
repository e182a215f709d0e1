"""What the kernels of each primitive are told beside layouts: the parameters of a `Call`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import TypeVar

from ..dtypes import TABLE, DType
from ..errors import ShapeError
from ..layout import Layout, Shape, broadcast_strides, collapse
from ..scalar import Program, RowProgram
from .weight_formats import FORMATS, Format

X = TypeVar("X")


@dataclass(frozen=True)
class Reduction:
    """Parameters of the primitive ``reduce``: what to compute, and the reduced axes, ascending and not negative.

    The output's layout has the kept axes only. Reduced axes are flattened in row-major order.
    """

    kind: str
    axes: Shape


@dataclass(frozen=True)
class Product:
    """Parameters of the primitive ``matmul``.

    Inputs: a (…, m, k) and b (…, k, n) of one dtype and with the same number of axes, batch axes already broadcast
    (stride 0), then the epilogue's further operands, each broadcast to (…, m, n) the same way. The accumulator is
    float32 for float16 and bfloat16, the dtype itself for float32 and float64, and for integers the exact result
    wrapped to the output dtype. epilogue: None, or the program from (accumulator, further operands…) to the output
    dtype. None: accumulator cast to the output dtype.
    """

    epilogue: Program | None = None


@dataclass(frozen=True)
class Groups:
    """Parameters of the primitive ``grouped_matmul``.

    Inputs: a and b of one dtype, and ends (groups,), int32 or int64: group g has the rows from ends[g - 1] to ends[g] -
    1, the first one those from 0 on, the last one those to the end. Ends are to ascend; nothing beyond the operands is
    read where they do not.
    contracted: False, and a (rows, k) has its rows in groups, b is (groups, k, n), and the output (rows, n), each row
    by the matrix of its group. True, and a (m, rows) has its columns in groups, as b (rows, n) has its rows; output:
    (groups, m, n). Each group's result is that of `Product` without an epilogue.
    """

    contracted: bool


def accumulator_dtype(operand: DType, output: DType) -> DType:
    """What an epilogue's first input is: see `Product`."""
    return TABLE[operand.accumulator] if operand.kind == "f" else output


@dataclass(frozen=True)
class Rows:
    """Parameters of the primitive ``row``.

    reduced: how many of the domain's axes, the last ones, make up a row; at least one. An input or output of each
    element has the domain's shape, one of each row that without the reduced axes; with any strides, 0 where it is
    broadcast. No axis of the domain has length 0.
    """

    program: RowProgram
    reduced: int


def domain(inputs: Sequence[Layout], params: Rows) -> Shape:
    """The lengths of the kept axes, then of the reduced ones."""
    shapes = {x.shape for x, its in zip(inputs, params.program.inputs, strict=True) if its.each}
    kept = {x.shape for x, its in zip(inputs, params.program.inputs, strict=True) if not its.each}
    kept |= {shape[: len(shape) - params.reduced] for shape in shapes}
    if len(shapes) != 1 or len(kept) != 1:
        raise ShapeError(f"row: operands of shapes {[x.shape for x in inputs]} and {params.reduced} reduced axes")
    return shapes.pop()


@dataclass(frozen=True)
class Convolution:
    """Parameters of the primitive ``convolution``, with a number for each of its 1 to 3 spatial axes.

    Inputs, of float32 or float64: x (batch, groups, channels, *lengths), weight (groups, outputs, channels, *kernel)
    and, where there is one, a bias (groups, outputs). Output: (batch, groups, outputs, *places). last: x is (batch,
    *lengths, groups, channels) and the output (batch, *places, groups, outputs). Place o and kernel position k meet the
    element p = o * stride + k * dilation - low of an axis that has spread - 1 gaps between the elements of x: element
    p / spread of x, where that is one. Where it is none, in a gap or in the padding, there is no term. high: elements
    of the padding behind; either padding may be negative.
    epilogue: None, or the program from (sum with the bias, further operands…) to the output dtype, which is then any.
    The further operands are the last inputs, of the output's shape, with any strides.
    """

    stride: Shape
    low: Shape
    high: Shape
    dilation: Shape
    spread: Shape
    last: bool = False
    epilogue: Program | None = None

    @property
    def extras(self) -> int:
        """How many further operands the epilogue takes."""
        return len(self.epilogue.inputs) - 1 if self.epilogue else 0

    def places(self, lengths: Shape, kernel: Shape) -> Shape:
        """The output's lengths; below 1 where the kernel is larger than the padded input."""
        return tuple(
            ((n - 1) * e + low + high - (k - 1) * d) // s + 1
            for n, k, s, low, high, d, e in zip(
                lengths, kernel, self.stride, self.low, self.high, self.dilation, self.spread, strict=True
            )
        )


COMBINES = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "logaddexp": "logaddexp"}
"""By kind of a scan: the scalar function of two operands, the earlier one first."""


@dataclass(frozen=True)
class Scan:
    """Parameters of the primitive ``scan``.

    kind: sum, prod, max, min or logaddexp. axis: not negative. initial: along it the output has one element more, the
    first, which is the sum or product of nothing. Computed in float32 for 16-bit floats, in the dtype itself for other
    floats; integers exactly, wrapped to the output dtype. The input may have no elements.
    """

    kind: str
    axis: int
    initial: bool = False

    def permuted(self, order: Sequence[int]) -> Scan:
        """The parameters for operands with their axes in another order."""
        return Scan(self.kind, order.index(self.axis), self.initial)


@dataclass(frozen=True)
class Join:
    """Parameters of the primitive ``join``: where each input begins in the output, which is row-major. The inputs are
    of one dtype, their boxes lie apart and fill the output."""

    shape: Shape
    starts: tuple[Shape, ...]


@dataclass(frozen=True)
class Sort:
    """Parameters of the primitive ``sort``.

    kind: ``values``, of which the output has the input's dtype, or ``indices`` (int64, from 0 along the axis). axis:
    not negative. descending: from the largest key. count: how many, the first ones of the order, the output has along
    the axis, from 1 to all (None). Keys are those of `accel.ops.canonical.sort_keys`; what has equal keys stays in its
    order, in either direction.
    """

    kind: str
    axis: int
    descending: bool = False
    count: int | None = None


@dataclass(frozen=True)
class Search:
    """Parameters of the primitive ``search``, whose output is, for each element of its second input, the number of
    elements of its first one, a vector, that come before it in the order of `accel.ops.canonical.search_keys`.

    right: equal ones are counted too. In a vector that is not in order the result is what the halving of
    docs/numerics.md finds. The vector may have no elements.
    """

    right: bool


COMPACT_BLOCK = 4096
"""Elements of a block of booleans, which a work-group compacts: 16 times a power of 16."""


@dataclass(frozen=True)
class Compact:
    """Parameters of the primitive ``compact``, whose first input is a vector of booleans, in blocks of so many elements
    (the last one may be shorter). A boolean is true whose byte is not 0.

    count: None, and the output is how many are true in each block (int64). Or how many are true in all: then the second
    input (int64) has how many are true before each block, and the output is the places of the true ones, ascending
    (int64). Nothing is written beyond the output, whatever the second input says.
    """

    block: int
    count: int | None


@dataclass(frozen=True)
class Factor:
    """Parameters of the primitive ``factor``, of float32 or float64 operands (count, rows, columns), none of them 0.

    kind: ``cholesky``, of square blocks, of which the lower triangle is read, to their lower factors, with zeros above;
    ``lu``, of any number of rows, to both factors in one array and the rows' order, int64 (count, rows); ``qr``, of as
    many rows as columns or more, to the vectors of reflections below R in one array and their factors (count, columns);
    ``solve``, of lower triangles and right-hand sides, to the solutions, or ``solve_unit``, as if the diagonals were 1.
    All but the rows of lu and qr and the columns of right-hand sides are at most FACTOR. ``jacobi``: of an even number
    of rows to such whose first ``length`` elements are orthogonal, and the last sweep's largest cosine, (count, 1).
    pairs: of complex numbers; each array of theirs is two, of real and of imaginary parts. Order and factors are one.
    """

    kind: str
    pairs: bool = False
    length: int = 0


@dataclass(frozen=True)
class Attention:
    """Parameters of the primitive ``attention`` (docs/numerics.md, rule 8).

    Inputs: query (batch, heads, queries, d), key (batch, its heads, keys, d) and value (batch, its heads, keys, dv) of
    one floating dtype; heads is a multiple of the keys' heads, and that many of them, which follow one another, share
    one. Then those that `given` names, in this order: ``mask`` (batch, heads, queries, keys), bool or floating;
    ``sinks`` and ``slopes`` (heads,), of the accumulator's dtype; ``starts`` and ``lengths`` (batch,), int64: the
    sequence's first key and how many it has, which are cut to what there is. Output: (batch, heads, queries, dv). No
    length is 0, d and dv are at most HEAD; strides may be 0.
    With ``offsets`` (sequences + 1,), int64, queries, keys and values of all sequences are one after the other, and
    their batch is 1: sequence b has the queries from offsets[b] to offsets[b + 1] - 1, the first one those from 0 on,
    the last one those to the end; offsets are to ascend, and nothing beyond the operands is read where they do not.
    Vectors of the batch then have a number for each sequence, and there is no mask.
    With ``pages`` (batch or sequences, columns), int64, the first axis of key and value counts pages of as many keys as
    their third axis is long: a sequence's keys are those of its pages, one after the other. A page that there is not
    stands for the next one that there is.
    ``dropout`` (batch or sequences, heads), uint64: keys of random bits, by which weights are dropped with a
    probability of dropout, rounded up to a multiple of 2^-24.
    scale, softcap (0: none): numbers that the accumulator's dtype holds. from_end: whether the last query is at the
    sequence's last place, else the first at its first. before, after: how far behind and ahead of its own place a query
    sees; None: all.
    """

    scale: float
    softcap: float = 0.0
    from_end: bool = False
    before: int | None = None
    after: int | None = None
    given: tuple[str, ...] = ()
    dropout: float = 0.0

    @property
    def dropped(self) -> int:
        """Of 2^24 weights, how many are dropped."""
        return ceil(self.dropout * 2**24)

    @property
    def kept(self) -> float:
        """What a sum of the others is multiplied by, before it is rounded to the accumulator's dtype."""
        return 1 / (1 - self.dropout) if self.dropout < 1 else 1.0


ATTENTION_OPERANDS = ("mask", "sinks", "slopes", "starts", "lengths", "offsets", "pages", "dropout")
"""What an attention may have beside query, key and value."""


@dataclass(frozen=True)
class AttentionSizes:
    """Sizes of an attention: sequences, heads of queries and of keys, queries (of all sequences where they are packed),
    keys that a sequence may have, elements of a key and of a value, pages and keys of a page (0: there are none)."""

    sequences: int
    heads: int
    shared: int
    queries: int
    keys: int
    d: int
    dv: int
    pages: int
    page: int


def attention_sizes(inputs: Sequence[Layout], params: Attention) -> AttentionSizes:
    """Of operands that fit together."""
    query, key, value, *others = inputs
    named = dict(zip(params.given, others, strict=True))
    batch, heads, queries, d = query.shape
    sequences = named["offsets"].shape[0] - 1 if "offsets" in named else batch
    pages, page, keys = 0, 0, key.shape[2]
    if "pages" in named:
        pages, page = key.shape[0], key.shape[2]
        keys = page * named["pages"].shape[1]
    return AttentionSizes(sequences, heads, key.shape[1], queries, keys, d, value.shape[3], pages, page)


def attention_strides(inputs: Sequence[Layout], out: Layout, params: Attention) -> tuple[Shape, ...]:
    """Strides of query, key, value and out as kernels go through them: from sequence to sequence (0 where they are
    packed) or page to page, from head to head, row and column."""
    query, key, value = inputs[:3]
    packed, paged = "offsets" in params.given, "pages" in params.given
    return tuple(
        (0, *x.strides[1:]) if packed and not (paged and (x is key or x is value)) else x.strides
        for x in (query, key, value, out)
    )


@dataclass(frozen=True)
class Gather:
    """Parameters of the primitive ``gather``, which reads elements of its first input where the others say.

    walks: for each axis of the first input, the axis of the output that is walked with it, of the same length, or -1:
    then the next of the other inputs has the positions along it. Those are int64 and have as many axes as the output,
    some of length 1 (broadcast). A position below 0 counts from the end; where one is out of range the result is 0, and
    nothing is read beyond the input. The first input may have no elements, and then the result is 0.
    """

    walks: tuple[int, ...]


@dataclass(frozen=True)
class Selection:
    """A gather in strides of the output's axes: element o is that at base . o + the sum of every position at o times
    its step. indices: strides of each index array. lengths, steps: of the axes that these index."""

    shape: Shape
    base: Shape
    indices: tuple[Shape, ...]
    lengths: Shape
    steps: Shape


def selection(inputs: Sequence[Layout], shape: Shape, params: Gather) -> Selection:
    """What a gather of operands of these layouts reads."""
    x, *indices = inputs
    base = [0] * len(shape)
    for step, to in zip(x.strides, params.walks, strict=True):
        if to >= 0:
            base[to] += step
    indexed = [axis for axis, to in enumerate(params.walks) if to < 0]
    return Selection(
        shape,
        tuple(base),
        tuple(broadcast_strides(index, shape) for index in indices),
        tuple(x.shape[axis] for axis in indexed),
        tuple(x.strides[axis] for axis in indexed),
    )


@dataclass(frozen=True)
class Quantized:
    """Parameters of the primitive ``quantized_matmul``: a product of its first input, (m, k) of float32 or a 16-bit
    float, and weights that the others hold, row-major: codes, scales, and the format's minors if it has any
    (docs/quantization.md).

    format: a name of weight_formats.FORMATS. n: columns of the weights, which lie in panels of PANEL, the last one
    filled up; nothing behind n is computed with. group: steps of k that share a scale. output: the dtype, the first
    input's or float32.
    """

    format: str
    n: int
    group: int
    output: str

    @property
    def its(self) -> Format:
        """The format."""
        return FORMATS[self.format]

    def shapes(self, k: int) -> tuple[Shape, ...]:
        """Of codes, scales, and minors."""
        return self.its.shapes(self.n, k, self.group)


@dataclass(frozen=True)
class Scatter:
    """Parameters of the primitive ``scatter``, which stores rows of values where cells say, or combines them with what
    is there.

    Inputs: at times the base, of the output's shape and dtype, which is what the output holds first (without one it
    holds something already, and keeps what is not written); values (count, …) of the dtype; cells (count,), int64. If
    sourced, also sources (count,), int64: the values may have any number of rows, and row i is the one at sources[i],
    as `gather` has it: from the end for one below 0, and zeros where there is none.
    shape: of the output. walks: for each of its axes, the axis of the values, from 1 on and each once, that is walked
    with it and has its length, or -1: such axes are counted in row-major order, and a cell is a number of theirs. A
    number of no cell drops its row; nothing is written beyond the output.
    kind: ``set``, and the last of a cell's values stays. ``add`` and ``multiply``: the values of one cell, in ascending
    order of their places, are folded by rule 2 of docs/numerics.md, and then what the cell holds is combined with the
    result; for float32, float64 and integers. ``max`` and ``min``: the extreme of them and of what the cell holds, as
    `accel.max` and `accel.min` have it. apart: no cell is there twice; ascending: cells are in order. For both the
    caller answers. No operand has size 0.
    """

    shape: Shape
    walks: tuple[int, ...]
    kind: str = "set"
    apart: bool = False
    ascending: bool = False
    sourced: bool = False

    @property
    def folds(self) -> bool:
        """Whether the order of a cell's values counts, all of them."""
        return self.kind in SCATTER_FOLDS


SCATTER_FOLDS = {"add": -0.0, "multiply": 1.0}
"""What changes nothing, by kinds of scatters that fold."""

SCATTER_KINDS = ("set", *SCATTER_FOLDS, "max", "min")


def nothing_of(kind: str, dtype: DType) -> bool | int | float:
    """What a scatter combines with anything and changes nothing: of max and min, the least and the greatest."""
    if kind in SCATTER_FOLDS:
        return SCATTER_FOLDS[kind] if dtype.kind in "fc" else int(SCATTER_FOLDS[kind])
    greatest = kind == "min"
    if dtype.kind == "f":
        return inf if greatest else -inf
    if dtype.kind == "b":
        return greatest
    bits, signed = 8 * dtype.itemsize, dtype.kind == "i"
    return (1 << bits - signed) - 1 if greatest else -(1 << bits - 1) if signed else 0


def scattered_operands(inputs: Sequence[X], params: Scatter) -> tuple[X | None, X, X, X | None]:
    """The base, values, cells and sources of a scatter; None for what it does not have."""
    *others, last = inputs
    sources = last if params.sourced else None
    *base, values, cells = others if params.sourced else inputs
    return base[0] if base else None, values, cells, sources


@dataclass(frozen=True)
class Placement:
    """A scatter in strides of few axes. lengths, steps: of the axes of the output that cells count. rows: the lengths
    of those that are walked, with the output's and the values' steps. value_step, cell_step, source_step: from one row
    to the next. held: how many rows the values have."""

    count: int
    lengths: Shape
    steps: Shape
    rows: Shape
    out_rows: Shape
    value_rows: Shape
    value_step: int
    cell_step: int
    source_step: int
    held: int


def placement(inputs: Sequence[Layout], out: Layout, params: Scatter) -> Placement:
    """Where a scatter of operands of these layouts writes."""
    _, values, cells, sources = scattered_operands(inputs, params)
    counted = [axis for axis, to in enumerate(params.walks) if to < 0]
    walked = sorted((to, axis) for axis, to in enumerate(params.walks) if to >= 0)
    lengths, (steps,) = collapse(
        tuple(out.shape[axis] for axis in counted), [tuple(out.strides[axis] for axis in counted)]
    )
    rows, (out_rows, value_rows) = collapse(
        values.shape[1:], [tuple(out.strides[axis] for _, axis in walked), values.strides[1:]]
    )
    (value_step, *_), (cell_step,) = values.strides, cells.strides
    return Placement(
        cells.size, lengths or (1,), steps or (0,), rows or (1,), out_rows or (0,), value_rows or (0,), value_step,
        cell_step, 0 if sources is None else sources.strides[0], values.shape[0],
    )  # fmt: skip
