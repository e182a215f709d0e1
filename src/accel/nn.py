"""`accel.nn`: functions of neural networks, with torch.nn.functional's names and argument order, `axis` for `dim`."""

from .ops.composed.checked_loss import cross_entropy, nll_loss
from .ops.composed.probability_loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    hinge_embedding_loss,
    kl_div,
    margin_ranking_loss,
    soft_margin_loss,
)
from .ops.composed.regression_loss import (
    gaussian_nll_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from .ops.composed.softmax import log_softmax, softmax
from .ops.primitive.matmul import linear
from .ops.primitive.pointwise import gelu
from .registry import OPS as _OPS

relu, sigmoid, silu, tanh = (_OPS[name].function for name in ("relu", "sigmoid", "silu", "tanh"))

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "gelu",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear",
    "log_softmax",
    "margin_ranking_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "tanh",
]
