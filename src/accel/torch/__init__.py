"""accel for torch's users: functions of accel calls that autograd records. Importing this imports torch.

See docs/torch.md.
"""

from .autograd import function

__all__ = ["function"]
