"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.composed.batch_norm import batch_norm as _batch_norm
from .ops.composed.batch_norm import instance_norm as _instance_norm
from .ops.composed.checked_loss import cross_entropy as _cross_entropy
from .ops.composed.checked_loss import nll_loss as _nll_loss
from .ops.composed.patches import pad as _pad
from .ops.embedding import alibi_slopes as _alibi_slopes
from .ops.embedding import cache_update as _cache_update
from .ops.embedding import embedding as _embedding
from .ops.embedding import one_hot as _one_hot
from .ops.packed import PackedWeight as _PackedWeight
from .ops.packed import dequantize as _dequantize
from .ops.packed import quantize as _quantize
from .ops.primitive.pointwise import gelu as _gelu
from .ops.segments import segment_mean as _segment_mean
from .ops.segments import segment_sum as _segment_sum
from .registry import OPS as _OPS

globals().update({spec.name: spec.function for spec in _OPS.values() if spec.namespace == "nn"})
globals().update(
    PackedWeight=_PackedWeight,
    gelu=_gelu,
    tanh=_OPS["tanh"].function,
    batch_norm=_batch_norm,
    instance_norm=_instance_norm,
    cross_entropy=_cross_entropy,
    nll_loss=_nll_loss,
    alibi_slopes=_alibi_slopes,
    cache_update=_cache_update,
    embedding=_embedding,
    one_hot=_one_hot,
    segment_mean=_segment_mean,
    segment_sum=_segment_sum,
    quantize=_quantize,
    dequantize=_dequantize,
    pad=_pad,
)

__all__ = sorted(name for name in globals() if not name.startswith("_"))
