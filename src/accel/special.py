"""`accel.special`: special functions, with SciPy's names."""

from . import ops as _ops  # noqa: F401  # fills the op table
from .registry import OPS as _OPS

globals().update({spec.name: spec.function for spec in _OPS.values() if spec.namespace == "special"})
globals().update(expit=_OPS["sigmoid"].function, log_expit=_OPS["logsigmoid"].function)

__all__ = sorted(name for name in globals() if not name.startswith("_"))
