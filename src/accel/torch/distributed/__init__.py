"""Layers, attention, a vocabulary and a batch on several processes of torch.distributed, with the bits of one.

Importing this imports torch.distributed, and changes nothing. See docs/torch.md.
"""

from .clipping import clip_by_global_norm
from .heads import attention
from .layers import column_parallel_linear, column_parallel_linears, linear, row_parallel_linear
from .modules import ColumnParallelLinear, Linear, Norm, RowParallelLinear, VocabularyParallelEmbedding
from .ordered import shares
from .parallelize import ColwiseParallel, RowwiseParallel, parallelize, whole
from .sums import layer_norm, rms_norm
from .vocabulary import cross_entropy, embedding

__all__ = [
    "ColumnParallelLinear",
    "ColwiseParallel",
    "Linear",
    "Norm",
    "RowParallelLinear",
    "RowwiseParallel",
    "VocabularyParallelEmbedding",
    "attention",
    "clip_by_global_norm",
    "column_parallel_linear",
    "column_parallel_linears",
    "cross_entropy",
    "embedding",
    "layer_norm",
    "linear",
    "parallelize",
    "rms_norm",
    "row_parallel_linear",
    "shares",
    "whole",
]
