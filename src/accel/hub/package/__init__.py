"""Functions and layers whose bits are the same on every GPU and CPU, by a contract that the package's name says.

Nothing is replaced by importing this.
"""

from . import layers
from .functions import gelu, layer_norm, rms_norm, silu, silu_and_mul, softmax

__all__ = ["gelu", "layer_norm", "layers", "rms_norm", "silu", "silu_and_mul", "softmax"]
