"""accel's attention among torch's implementations of flash attention, of which a user activates one.

Source of the interface: torch.nn.attention, `register_flash_attention_impl`.
"""

from __future__ import annotations

import torch

from .aten.attention import attention as accels
from .aten.attention import torchs

NAME = "accel"
"""By which torch.nn.attention knows it."""

KEYS = ("CPU", "AutogradCPU", "CUDA", "AutogradCUDA")
"""Of torch's dispatcher: with autograd, and without it, as in inference mode. AMD's GPUs have CUDA's."""


class Activated:
    """What torch's dispatcher has while accel's attention is the active one."""

    def __init__(self) -> None:
        from . import library  # noqa: F401  # registers the operator, which is not there before something needs it

        self._library = torch.library.Library("aten", "IMPL")
        for key in KEYS:
            self._library.impl("scaled_dot_product_attention", attention, key)

    def remove(self) -> None:
        """Gives torch its own back."""
        self._library._destroy()


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """torch's own where flash attention is switched off (`torch.nn.attention.sdpa_kernel`), or where accel has it
    not."""
    its = (query, key, value, attn_mask, dropout_p, is_causal)
    if not torch.backends.cuda.flash_sdp_enabled():  # which is of the CPU's, too
        return torchs(*its, scale=scale, enable_gqa=enable_gqa)
    by_places = query.ndim == 4 and query.stride(1) < query.stride(2)  # as torch's own, the result lies as queries do
    return accels(*its, scale, enable_gqa, by_places=by_places)


def register() -> None:
    """Makes accel known to torch.nn.attention, where torch has more than one implementation. Nothing is active
    before a user asks for it."""
    from torch.nn import attention as its

    if hasattr(its, "register_flash_attention_impl"):
        its.register_flash_attention_impl(NAME, register_fn=Activated)
