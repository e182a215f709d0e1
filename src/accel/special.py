"""`accel.special`: special functions, with SciPy's names."""

from .ops.composed.softmax import logsumexp
from .registry import OPS as _OPS

erf, expit, rsqrt = (_OPS[name].function for name in ("erf", "sigmoid", "rsqrt"))

__all__ = ["erf", "expit", "logsumexp", "rsqrt"]
