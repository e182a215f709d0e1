"""`accel.torch.optimize`: accel's layers in the place of a model's own."""

from .optimize import optimize
from .report import Left, Replaced, Report

__all__ = ["Left", "Replaced", "Report", "optimize"]
