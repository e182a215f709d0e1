"""`accel.special`: special functions, with SciPy's names."""

from .registry import OPS

erf, expit, rsqrt = (OPS[name].function for name in ("erf", "sigmoid", "rsqrt"))

__all__ = ["erf", "expit", "rsqrt"]
