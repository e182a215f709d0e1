"""Mixtures of experts: each token is answered by the few experts that a router finds likeliest (Shazeer et al. 2017,
arXiv:1701.06538)."""

from __future__ import annotations

from collections.abc import Callable

import accel
from accel import Array, nn


def mixed(
    x: Array, logits: Array, count: int, answer: Callable[[Array, Array], Array], normalize: bool = True
) -> tuple[Array, Array]:
    """What experts make of tokens x (n, hidden), and which ones each token was sent to (n, count).

    logits: (n, experts), of the router. count: how many answer a token. answer: a function of rows that are in groups,
    the first expert's first, and of how many each group has (experts,), which gives what each expert makes of its own.
    normalize: the weights of a token's answers add to 1. Each expert gets its own tokens only.
    """
    shares, chosen = nn.route(logits, count, normalize=normalize)
    numbers = accel.reshape(chosen, (-1,))
    order = accel.argsort(numbers)
    counts = accel.sum(numbers[:, None] == accel.arange(logits.shape[-1], device=x.device), axis=0)
    its = answer(accel.take(x, order // count, axis=0), counts)
    answers = accel.reshape(accel.take(its, accel.argsort(order), axis=0), (*chosen.shape, its.shape[1]))
    return accel.sum(answers * accel.astype(shares, x.dtype)[:, :, None], axis=1), chosen
