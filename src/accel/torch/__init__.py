"""accel for torch's users: functions that autograd records, a backend of torch.compile, what it runs of a model, and
accel's layers in the place of a model's own.

Importing this imports torch. See docs/torch.md.
"""

from .autograd import function
from .backend import backend
from .explained import explain
from .optimize import optimize

__all__ = ["backend", "explain", "function", "optimize"]
