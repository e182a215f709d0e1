"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.composed.batch_norm import batch_norm, instance_norm
from .ops.composed.softmax import log_softmax, softmax
from .ops.primitive.matmul import linear
from .ops.primitive.pointwise import gelu
from .registry import OPS as _OPS

relu, sigmoid, silu, tanh = (_OPS[name].function for name in ("relu", "sigmoid", "silu", "tanh"))

_NORMS = (
    "batch_norm_inference", "batch_norm_training", "cosine_similarity", "group_norm", "instance_norm_training",
    "layer_norm", "normalize", "rms_norm", "softmin",
)  # fmt: skip
globals().update({name: _OPS[name].function for name in _NORMS})

__all__ = sorted(
    ["batch_norm", "gelu", "instance_norm", "linear", "log_softmax", "relu", "sigmoid", "silu", "softmax", "tanh"]
    + list(_NORMS)
)
