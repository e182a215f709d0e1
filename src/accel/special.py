"""`accel.special`: special functions, with SciPy's names."""

from .ops.softmax import logsumexp
from .registry import OPS

erf, expit, rsqrt = (OPS[name].function for name in ("erf", "sigmoid", "rsqrt"))

__all__ = ["erf", "expit", "logsumexp", "rsqrt"]
