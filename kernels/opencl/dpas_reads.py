"""Where products on Intel's matrix units (dpas.py) read tiles of their operands: from panels, or from a matrix as it
lies, by the block reads of two axes of cl_intel_subgroup_2d_block_io."""

from __future__ import annotations

from accel.dtypes import DType
from accel.layout import Shape

from . import matmul_tiles

ROWS = 8
"""Rows of a tile of a: the most of the built-ins. So many words of 32 bits hold the steps of k of either tile."""

PACKED, A_ROWS, B_ROWS, B_COLUMNS, ELEMENTS = "packed", "rows", "transform", "transpose", "elements"
"""The form of an operand's reads: from panels; by block reads of a matrix whose rows in memory are those of a, those of
b, or b's columns; or of whatever matrix, element by element."""

LINE = 64
"""Bytes: a matrix that is read by block reads begins at a multiple of it, and its rows have no fewer."""

LONGEST = 1 << 24
"""What a block read's matrix has at most of bytes in a row, of bytes from one row to the next, and of rows."""


def steps_of(operand: DType) -> int:
    """Steps of k of a tile."""
    return 4 * ROWS // operand.itemsize


def part_of(operand: DType) -> str:
    """The unsigned type of an element."""
    return "ushort" if operand.itemsize == 2 else "uchar"


def forms(its: matmul_tiles.Problem, operand: DType) -> tuple[str, str]:
    """Of a and of b: the block reads that bring tiles from where they lie, if they begin at multiples of LINE; PACKED
    where none do."""
    a, b, size = its.a, its.b, operand.itemsize
    left = A_ROWS if a[-1] == 1 and _is_readable(its.m, its.k, a[-2], a[:-2], size) else PACKED
    right = PACKED
    if b[-1] == 1 and _is_readable(its.k, its.n, b[-2], b[:-2], size):
        right = B_ROWS
    elif b[-2] == 1 and _is_readable(its.n, its.k, b[-1], b[:-2], size):
        right = B_COLUMNS
    return left, right


def _is_readable(rows: int, columns: int, pitch: int, batch: Shape, size: int) -> bool:
    """Whether matrices in memory are as the extension demands, but for where the first one begins. pitch: elements from
    one row to the next. batch: strides of batch axes. size: bytes of an element."""
    width, step = columns * size, pitch * size
    fits = LINE <= width <= step <= LONGEST and 0 < rows <= LONGEST
    return fits and width % 4 == 0 and step % 16 == 0 and all(s * size % LINE == 0 for s in batch)


def together(left: str) -> int:
    """Tiles along k that are read at once: two by a block read of a's rows, which so takes whole lines."""
    return 2 if left == A_ROWS else 1


def block_read(form: str, operand: DType) -> str:
    """The built-in that reads two tiles of a, which are neighbours along k, or a tile of b."""
    bits, steps = 8 * operand.itemsize, steps_of(operand)
    shape = {
        A_ROWS: f"{bits}b_{ROWS}r{steps}x2c",
        B_ROWS: f"transform_{bits}b_{steps}r16x1c",
        B_COLUMNS: "transpose_32b_16r8x1c",  # of words, each of neighbouring steps of k
    }
    return f"intel_sub_group_2d_block_read_{shape[form]}"


def declaration(form: str, operand: DType) -> str:
    """The built-in's prototype; where the compiler has declared it, this says the same again."""
    element = "ushort" if form == A_ROWS else "uint"
    return (
        f"void __attribute__((overloadable)) {block_read(form, operand)}(__global void *base, int width, int height, "
        f"int pitch, int2 coord, __private {element} *to);\n"
    )


def declarations(both: tuple[str, str], operand: DType) -> str:
    """The prototypes of the block reads that products of these forms need."""
    return "".join(declaration(form, operand) for form in both if form not in (PACKED, ELEMENTS))


def of_a(form: str, operand: DType, left: str, lanes: int) -> dict[str, object]:
    """What dpas.cl asks for of the reads of a. left: the type of a lane's part of a tile."""
    if form == PACKED:
        read = "intel_sub_group_block_read8(a_data + a + (i) * 64)"
        if lanes == 16:
            read = "intel_sub_group_block_read_us8((__global const ushort *)(a_data + a + (i) * 64))"
        return {
            "A_TYPE": "uint",
            "A_FIRST": "PANEL(a, TILES_A * 64)",
            "A_STEP": "(TILES_A * 64)",
            "READ_LEFT(to, i)": f"(to)[0] = as_{left}({read})",
        }
    read = "GATHER_LEFT(to, i)"
    if form == A_ROWS:
        name = block_read(form, operand)
        read = f"READ_BLOCK({name}, a, g.k, g.m, g.a[BATCH], a, first_row + (i) * ROWS, ushort, to)"
    steps = steps_of(operand) * together(form)
    return {"A_TYPE": "IN", "A_FIRST": 0, "A_STEP": steps, "READ_LEFT(to, i)": read}


def of_b(form: str, operand: DType, right: str) -> dict[str, object]:
    """What dpas.cl asks for of the reads of b. right: the type of a lane's part of a tile."""
    if form == PACKED:
        return {
            "B_TYPE": "uint",
            "B_FIRST": "PANEL(b, TILES_B * 8 * SUB_GROUP)",
            "B_STEP": "(TILES_B * 8 * SUB_GROUP)",
            "READ_RIGHT(to, j)": f"*(to) = as_{right}(intel_sub_group_block_read8(b_data + b + (j) * (8 * SUB_GROUP)))",
        }
    read, steps, column = "GATHER_RIGHT(to, j)", steps_of(operand), "first_column + (j) * SUB_GROUP"
    if form == B_ROWS:
        read = f"READ_BLOCK({block_read(form, operand)}, b, g.n, g.k, g.b[BATCH], {column}, b, uint, to)"
    elif form == B_COLUMNS:
        steps = ROWS  # words
        read = f"READ_BLOCK({block_read(form, operand)}, b, g.k, g.n, g.b[BATCH + 1], b, {column}, uint, to)"
    return {"B_TYPE": "IN", "B_FIRST": 0, "B_STEP": steps, "READ_RIGHT(to, j)": read}
