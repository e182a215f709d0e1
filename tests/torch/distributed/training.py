"""The decoder of examples/parallel.py, trained by groups of ranks: its losses, gradients and weights."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

import accel
import accel.torch.distributed as parallel
from accel.demo import decoder
from accel.torch.distributed import layers
from examples import parallel as example

CONFIGS = {
    "small": decoder.Config(),
    "wide": decoder.Config(300, 512, 600, 1, 4, 2),
    "tied": decoder.Config(70, 48, 33, 1, 6, 3, tie_word_embeddings=True),
}
OPTIMIZERS = {"wide": accel.optim.SGD(0.1, 0.9)}
"""Others are trained by AdamW, which takes longer to compile."""
ROWS, LENGTH, STEPS = 4, 17, 3


def digest(*tensors):
    return hashlib.sha256(b"".join(x.detach().contiguous().numpy().tobytes() for x in tensors)).hexdigest()


def trained(config, group, batch, part, parts):
    """Digests of the scores of the first batch, its gradients, the losses of three steps, and the weights then."""
    tokens = example.drawn(config, STEPS, ROWS, LENGTH, 1).chunk(parts, 1)[part]
    model = example.made(config, 0, group, batch)
    scores = model(tokens[0, :, :-1])
    loss = parallel.cross_entropy(scores, tokens[0, :, 1:], group=group, batch=batch)
    loss.backward()
    gradients = parallel.whole(model, gradients=True)
    optimizer = next((its for name, its in OPTIMIZERS.items() if CONFIGS[name] is config), None)
    losses = example.train(model, tokens, group, batch, optimizer)
    weights = parallel.whole(model)
    return {
        "gradients": digest(*(gradients[name] for name in sorted(gradients))),
        "losses": digest(*losses),
        "weights": digest(*(weights[name] for name in sorted(weights))),
    }


def scores_of_one_process(config):
    """What was wrong with the scores of the module beside those of the decoder in accel's own arrays."""
    tokens = example.drawn(config, 1, ROWS, LENGTH, 1)[0]
    model = example.made(config, 0, None, None)
    weights = {name: accel.asarray(p.detach().numpy()) for name, p in model.named_parameters()}
    cache = decoder.Cache(config, ROWS, LENGTH + 1, weights["model.embed_tokens.weight"])
    with accel.config(numerics="reproducible"):
        want = np.asarray(decoder.logits(config, weights, accel.asarray(tokens.numpy()), cache))
    got = model(tokens).detach().numpy()
    return [] if got.tobytes() == want.tobytes() else ["scores are not the decoder's"]


def trained_without_order(config, group, batch, part, parts):
    """The control: products over ranks as torch's all_reduce of what each rank's part gives."""

    def product(ranks, op, a, b, lengths, dtype, finish=None):
        made = accel.matmul(a, b)
        if ranks.size > 1:
            torch.distributed.all_reduce(made, group=ranks.group)
        return made if finish is None else finish(made)

    kept, layers.product = layers.product, product
    try:
        return trained(config, group, batch, part, parts)
    finally:
        layers.product = kept
