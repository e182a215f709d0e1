"""Optimizers of functional training: each step makes new parameters and a new state of old ones and a gradient.

    optimizer = accel.optim.AdamW(1e-3)
    state = optimizer.init(parameters)
    for x, y in batches:
        value, gradient = step(parameters, x, y)  # of accel.value_and_grad
        parameters, state = optimizer.update(parameters, gradient, state)

Parameters are floating arrays in tuples, lists and dicts, nested as you like. A step is compiled by `fuse`, and has the
same bits on every device. The rules are those of torch.optim, with its defaults. `LossScale` is for gradients of 16
bits.
"""

from .optimizers import SGD, Adam, AdamW, Lion, LossScale, clip_by_global_norm

__all__ = ["SGD", "Adam", "AdamW", "Lion", "LossScale", "clip_by_global_norm"]
