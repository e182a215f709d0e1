"""Scalar functions: each written once as a straight-line expression over IEEE operations, printed to every language.

``FUNCTIONS`` is the table; ``program_for`` and ``ProgramBuilder`` make a ``Program``; ``opencl``, ``triton`` and
``cpp`` print one; ``accel.scalar.evaluate`` (not imported here: it needs NumPy) evaluates one. Standard library only,
because the native build runs this package to generate its C++.
"""

from . import cpp, opencl, triton
from .expr import Expr
from .functions import FUNCTIONS, table
from .program import Program, ProgramBuilder, Step, compose, count_fma, program_for
from .row_program import Fold, Index, Input, RowProgram
from .scalar_function import ScalarFunction

__all__ = [
    "FUNCTIONS",
    "Expr",
    "Fold",
    "Index",
    "Input",
    "Program",
    "ProgramBuilder",
    "RowProgram",
    "ScalarFunction",
    "Step",
    "compose",
    "count_fma",
    "cpp",
    "opencl",
    "program_for",
    "table",
    "triton",
]
