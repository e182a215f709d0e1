"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.bags import embedding_bag as _embedding_bag
from .ops.composed.batch_norm import batch_norm as _batch_norm
from .ops.composed.batch_norm import instance_norm as _instance_norm
from .ops.composed.checked_loss import cross_entropy as _cross_entropy
from .ops.composed.checked_loss import nll_loss as _nll_loss
from .ops.composed.patches import pad as _pad
from .ops.dropout import alpha_dropout as _alpha_dropout
from .ops.dropout import dropout as _dropout
from .ops.dropout import dropout1d as _dropout1d
from .ops.dropout import dropout2d as _dropout2d
from .ops.dropout import dropout3d as _dropout3d
from .ops.dropout import feature_alpha_dropout as _feature_alpha_dropout
from .ops.embedding import alibi_slopes as _alibi_slopes
from .ops.embedding import cache_update as _cache_update
from .ops.embedding import embedding as _embedding
from .ops.embedding import one_hot as _one_hot
from .ops.grouped import grouped_matmul as _grouped_matmul
from .ops.packed import PackedWeight as _PackedWeight
from .ops.primitive.pointwise import gelu as _gelu
from .ops.quantization import dequantize as _dequantize
from .ops.quantization import quantize as _quantize
from .ops.quantized_linear import quantized_linear as _quantized_linear
from .ops.segments import segment_max as _segment_max
from .ops.segments import segment_mean as _segment_mean
from .ops.segments import segment_min as _segment_min
from .ops.segments import segment_sum as _segment_sum
from .ops.sequences import scaled_dot_product_attention_varlen as _scaled_dot_product_attention_varlen
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
    alpha_dropout=_alpha_dropout,
    dropout=_dropout,
    dropout1d=_dropout1d,
    dropout2d=_dropout2d,
    dropout3d=_dropout3d,
    feature_alpha_dropout=_feature_alpha_dropout,
    cache_update=_cache_update,
    embedding=_embedding,
    embedding_bag=_embedding_bag,
    one_hot=_one_hot,
    scaled_dot_product_attention_varlen=_scaled_dot_product_attention_varlen,
    segment_max=_segment_max,
    segment_mean=_segment_mean,
    segment_min=_segment_min,
    segment_sum=_segment_sum,
    grouped_matmul=_grouped_matmul,
    quantize=_quantize,
    quantized_linear=_quantized_linear,
    dequantize=_dequantize,
    pad=_pad,
)

__all__ = sorted(name for name in globals() if not name.startswith("_"))
