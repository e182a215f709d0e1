"""What accel computes of torch's ATen: a table of rules, one for each operator, each with torch's semantics."""

from . import creation, indexing, pointwise, products, reductions, views, windows
from .table import TABLE, Wanted

__all__ = ["TABLE", "Wanted", "creation", "indexing", "pointwise", "products", "reductions", "views", "windows"]
