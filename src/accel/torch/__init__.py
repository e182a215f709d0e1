"""accel for torch's users: functions that autograd records, a backend of torch.compile, what it runs of a model,
accel's layers in the place of a model's own, its attention among torch's, and text with the same bits on every device.

Importing this imports torch. See docs/torch.md, docs/receipts.md.
"""

from ..receipts.sampling import Sampler
from . import attention
from .autograd import function
from .backend import backend
from .explained import explain
from .optimize import optimize
from .reproducible import Generation, Reproducible, reproducible

attention.register()

__all__ = ["Generation", "Reproducible", "Sampler", "backend", "explain", "function", "optimize", "reproducible"]
