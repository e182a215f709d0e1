"""accel for torch's users: functions that autograd records, a backend of torch.compile, and what it runs of a model.

Importing this imports torch. See docs/torch.md.
"""

from .autograd import function
from .backend import backend
from .explained import explain

__all__ = ["backend", "explain", "function"]
