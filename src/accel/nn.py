"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.linalg import linear
from .ops.pointwise import gelu
from .ops.softmax import log_softmax, softmax
from .registry import OPS as _OPS

relu, sigmoid, silu, tanh = (_OPS[name].function for name in ("relu", "sigmoid", "silu", "tanh"))

__all__ = ["gelu", "linear", "log_softmax", "relu", "sigmoid", "silu", "softmax", "tanh"]
