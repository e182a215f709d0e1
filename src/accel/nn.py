"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.composed.softmax import log_softmax, softmax
from .ops.primitive.matmul import linear
from .ops.primitive.pointwise import gelu
from .registry import OPS as _OPS

relu, sigmoid, silu, tanh = (_OPS[name].function for name in ("relu", "sigmoid", "silu", "tanh"))

__all__ = ["gelu", "linear", "log_softmax", "relu", "sigmoid", "silu", "softmax", "tanh"]
