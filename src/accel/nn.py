"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.composed.batch_norm import batch_norm as _batch_norm
from .ops.composed.batch_norm import instance_norm as _instance_norm
from .ops.composed.checked_loss import cross_entropy as _cross_entropy
from .ops.composed.checked_loss import nll_loss as _nll_loss
from .ops.composed.patches import pad as _pad
from .ops.primitive.pointwise import gelu as _gelu
from .registry import OPS as _OPS

globals().update({spec.name: spec.function for spec in _OPS.values() if spec.namespace == "nn"})
globals().update(
    gelu=_gelu,
    tanh=_OPS["tanh"].function,
    batch_norm=_batch_norm,
    instance_norm=_instance_norm,
    cross_entropy=_cross_entropy,
    nll_loss=_nll_loss,
    pad=_pad,
)

__all__ = sorted(name for name in globals() if not name.startswith("_"))
