"""Convolutions as implicit products of windows and weights, by tl.dot: on matrix units for modes that promise a bound,
and in the canonical order (docs/numerics.md, rule 3) where tl.dot is a chain of fma over ascending terms.

What is in the padding or in a gap counts as 0 here. That changes nothing, as the chunks' results are added to +0, but
where its weight is no finite number, which makes NaN of it: then the tile is made again by what skips it.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.convolution import apart, beside, walk
from accel.kernels.triton.device.index import instance
from accel.kernels.triton.device.nan import no_nan


@triton.jit
def convolve_dot(
    out, x, weight, bias, extras, outputs, channels, terms, chunks, count, tiles, rows, lengths, kernel, places, stride,
    low, dilation, spread, x_strides, weight_strides, out_strides, bias_strides, extra_strides, EPILOGUE: tl.constexpr,
    PRECISION: tl.constexpr, WIDTH: tl.constexpr, HEIGHT: tl.constexpr, DEPTH: tl.constexpr, KC: tl.constexpr,
    APART: tl.constexpr, SPREAD: tl.constexpr, SKIPS: tl.constexpr, DIES: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """A program instance has WIDTH places of the whole batch by HEIGHT outputs of a group. APART: DEPTH divides the
    channels, so that a step has one kernel position. SPREAD: there are gaps. SKIPS: or padding."""
    pid = instance(DIES, INDEX)
    row = pid % rows * HEIGHT + tl.arange(0, HEIGHT).to(INDEX)
    place = pid // rows % tiles * WIDTH + tl.arange(0, WIDTH).to(INDEX)
    group = pid // rows // tiles
    inside, within = place < count, row < outputs
    entry, o0, o1, o2 = apart(place, places)
    x += entry * x_strides[0] + group * x_strides[1]
    weight += group * weight_strides[0] + row * weight_strides[1]
    at0, at1, at2 = (
        (o0 * stride[0] - low[0])[:, None],
        (o1 * stride[1] - low[1])[:, None],
        (o2 * stride[2] - low[2])[:, None],
    )
    total = tl.full([WIDTH, HEIGHT], 0, tl.float32)
    for number in range(chunks):
        part = tl.full([WIDTH, HEIGHT], 0, tl.float32)
        for first in range(number * KC, min(number * KC + KC, terms), DEPTH):
            term = first + tl.arange(0, DEPTH).to(INDEX)
            there = inside[:, None] & (term < terms)[None, :]
            if APART:
                start = pid * 0 + first
                channel, position = start % channels + tl.arange(0, DEPTH).to(INDEX), start // channels
            else:
                channel, position = term % channels, term // channels
            k2 = position % kernel[2]
            k1 = position // kernel[2] % kernel[1]
            k0 = position // kernel[2] // kernel[1]
            factor = (
                channel * weight_strides[2] + k0 * weight_strides[3] + k1 * weight_strides[4] + k2 * weight_strides[5]
            )
            if APART:
                i0, i1, i2 = at0 + k0 * dilation[0], at1 + k1 * dilation[1], at2 + k2 * dilation[2]
            else:
                i0 = at0 + (k0 * dilation[0])[None, :]
                i1 = at1 + (k1 * dilation[1])[None, :]
                i2 = at2 + (k2 * dilation[2])[None, :]
            there = there & (i0 >= 0) & (i1 >= 0) & (i2 >= 0)
            if SPREAD:
                there = there & (i0 % spread[0] == 0) & (i1 % spread[1] == 0) & (i2 % spread[2] == 0)
                i0, i1, i2 = i0 // spread[0], i1 // spread[1], i2 // spread[2]
            there = there & (i0 < lengths[0]) & (i1 < lengths[1]) & (i2 < lengths[2])
            at = i0 * x_strides[3] + i1 * x_strides[4] + i2 * x_strides[5] + (channel * x_strides[2])[None, :]
            left = tl.load(x[:, None] + at, mask=there, other=0)
            right = tl.load(weight[None, :] + factor[:, None], mask=within[None, :] & (term < terms)[:, None], other=0)
            part = tl.dot(left, right, part, input_precision=PRECISION)
        total = total + part
    if SKIPS:  # noqa: SIM102 (one of them is known while compiling)
        if not no_nan(total, WIDTH * HEIGHT):
            again = walk(
                x, weight, o0, o1, o2, inside, within, channels, terms, chunks, lengths, kernel, stride, low, dilation,
                spread, x_strides, weight_strides, tl.float32, WIDTH, HEIGHT, KC, INDEX,
            )  # fmt: skip
            total = tl.trans(again)
    if len(bias) > 0:
        its = tl.load(bias[0] + group * bias_strides[0] + row * bias_strides[1], mask=within, other=0)
        total = total + its[None, :]
    at = entry * out_strides[0] + group * out_strides[1] + o0 * out_strides[3] + o1 * out_strides[4]
    at = (at + o2 * out_strides[5])[:, None] + (row * out_strides[2])[None, :]
    mask = inside[:, None] & within[None, :]
    more = beside(
        extras, extra_strides, entry[:, None], group, row[None, :], o0[:, None], o1[:, None], o2[:, None], mask
    )  # fmt: skip
    tl.store(out + at, EPILOGUE(total, *more), mask=mask)
