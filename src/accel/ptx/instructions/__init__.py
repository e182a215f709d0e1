"""Instructions by family. Importing a family's module fills the table."""

from . import atomic, bitwise, compare, convert, copy, floating, integer, matrix, move, synchronize, warp
from .table import BUILDERS

__all__ = [
    "BUILDERS",
    "atomic",
    "bitwise",
    "compare",
    "convert",
    "copy",
    "floating",
    "integer",
    "matrix",
    "move",
    "synchronize",
    "warp",
]
