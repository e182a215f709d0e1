"""Convolutions in the canonical order (docs/numerics.md, rule 3): fma from +0 over kernel positions, row-major, and
channels, in chunks of KC, the chunks' results added in order to +0; then the bias and the epilogue. What is in the
padding or in a gap is skipped, and counted."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import instance


@triton.jit
def apart(place, places):
    """(the batch's entry, and the output's index on each axis) of places of the whole batch, in row-major order."""
    o2 = place % places[2]
    o1 = place // places[2] % places[1]
    o0 = place // places[2] // places[1] % places[0]
    return place // places[2] // places[1] // places[0], o0, o1, o2


@triton.jit
def beside(extras, extra_strides, entry, group, row, o0, o1, o2, mask):
    """The epilogue's further operands, at places and outputs (row) of shapes that broadcast to the tile's."""
    values = ()
    for i in tl.static_range(len(extras)):
        steps = extra_strides[i]
        at = entry * steps[0] + group * steps[1] + row * steps[2] + o0 * steps[3] + o1 * steps[4] + o2 * steps[5]
        values = values + (tl.load(extras[i] + at, mask=mask, other=0),)  # noqa: RUF005
    return values


@triton.jit
def walk(
    x, weight, o0, o1, o2, inside, within, channels, terms, chunks, lengths, kernel, stride, low, dilation, spread,
    x_strides, weight_strides,
    T: tl.constexpr, WIDTH: tl.constexpr, HEIGHT: tl.constexpr, KC: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """(HEIGHT outputs, WIDTH places), before the bias, one outer product at a time. x: by place. weight: by output."""
    total = tl.full([HEIGHT, WIDTH], 0, T)
    for number in range(chunks):
        part = tl.full([HEIGHT, WIDTH], 0, T)
        for k in range(number * KC, min(number * KC + KC, terms)):
            term = tl.full((), 0, INDEX) + k  # whatever the loop counts in
            channel, position = term % channels, term // channels
            k2 = position % kernel[2]
            k1 = position // kernel[2] % kernel[1]
            k0 = position // kernel[2] // kernel[1]
            at0 = o0 * stride[0] + k0 * dilation[0] - low[0]
            at1 = o1 * stride[1] + k1 * dilation[1] - low[1]
            at2 = o2 * stride[2] + k2 * dilation[2] - low[2]
            i0, i1, i2 = at0 // spread[0], at1 // spread[1], at2 // spread[2]
            there = inside & (at0 >= 0) & (at1 >= 0) & (at2 >= 0)
            there = there & (i0 * spread[0] == at0) & (i1 * spread[1] == at1) & (i2 * spread[2] == at2)
            there = there & (i0 < lengths[0]) & (i1 < lengths[1]) & (i2 < lengths[2])
            at = channel * x_strides[2] + i0 * x_strides[3] + i1 * x_strides[4] + i2 * x_strides[5]
            factor = channel * weight_strides[2] + k0 * weight_strides[3] + k1 * weight_strides[4]
            left = tl.load(weight + (factor + k2 * weight_strides[5]), mask=within, other=0)
            right = tl.load(x + at, mask=there, other=0)
            left, right = tl.broadcast(left[:, None], right[None, :])
            part = tl.where(there[None, :], tl.fma(left, right, part), part)
        total = total + part
    return total


@triton.jit
def walk_alone(
    x, weight, o0, o1, o2, inside, within, lengths, kernel, stride, low, dilation, spread, x_strides, weight_strides,
    T: tl.constexpr, WIDTH: tl.constexpr, HEIGHT: tl.constexpr,
):  # fmt: skip
    """As walk, of groups of one channel and kernels of one chunk: no position is divided, and a row's is asked once."""
    part = tl.full([HEIGHT, WIDTH], 0, T)
    for k0 in range(kernel[0]):
        at0 = o0 * stride[0] - low[0] + k0 * dilation[0]
        i0 = at0 // spread[0]
        there0 = inside & (at0 >= 0) & (i0 * spread[0] == at0) & (i0 < lengths[0])
        for k1 in range(kernel[1]):
            at1 = o1 * stride[1] - low[1] + k1 * dilation[1]
            i1 = at1 // spread[1]
            there1 = there0 & (at1 >= 0) & (i1 * spread[1] == at1) & (i1 < lengths[1])
            line = x + (i0 * x_strides[3] + i1 * x_strides[4])
            weights = weight + (k0 * weight_strides[3] + k1 * weight_strides[4])
            for k2 in range(kernel[2]):
                at2 = o2 * stride[2] - low[2] + k2 * dilation[2]
                i2 = at2 // spread[2]
                there = there1 & (at2 >= 0) & (i2 * spread[2] == at2) & (i2 < lengths[2])
                left = tl.load(weights + k2 * weight_strides[5], mask=within, other=0)
                right = tl.load(line + i2 * x_strides[5], mask=there, other=0)
                left, right = tl.broadcast(left[:, None], right[None, :])
                part = tl.where(there[None, :], tl.fma(left, right, part), part)
    return part + tl.full([HEIGHT, WIDTH], 0, T)  # a sum of -0 is +0


@triton.jit
def convolve(
    out, x, weight, bias, extras, outputs, channels, terms, chunks, count, tiles, rows, lengths, kernel, places, stride,
    low, dilation, spread, x_strides, weight_strides, out_strides, bias_strides, extra_strides, EPILOGUE: tl.constexpr,
    T: tl.constexpr, WIDTH: tl.constexpr, HEIGHT: tl.constexpr, KC: tl.constexpr, DIES: tl.constexpr,
    INDEX: tl.constexpr, ALONE: tl.constexpr,
):  # fmt: skip
    """A program instance has HEIGHT outputs of one group at WIDTH places of the whole batch. ALONE: groups have one
    channel, and the kernel one chunk."""
    pid = instance(DIES, INDEX)
    place = pid % tiles * WIDTH + tl.arange(0, WIDTH).to(INDEX)
    row = pid // tiles % rows * HEIGHT + tl.arange(0, HEIGHT).to(INDEX)
    group = pid // tiles // rows
    inside, within = place < count, row < outputs
    entry, o0, o1, o2 = apart(place, places)
    at = entry * out_strides[0] + group * out_strides[1] + o0 * out_strides[3] + o1 * out_strides[4]
    out += (at + o2 * out_strides[5])[None, :] + (row * out_strides[2])[:, None]
    x += entry * x_strides[0] + group * x_strides[1]
    weight += group * weight_strides[0] + row * weight_strides[1]
    if ALONE:
        total = walk_alone(
            x, weight, o0, o1, o2, inside, within, lengths, kernel, stride, low, dilation, spread, x_strides,
            weight_strides, T, WIDTH, HEIGHT,
        )  # fmt: skip
    else:
        total = walk(
            x, weight, o0, o1, o2, inside, within, channels, terms, chunks, lengths, kernel, stride, low, dilation,
            spread, x_strides, weight_strides, T, WIDTH, HEIGHT, KC, INDEX,
        )  # fmt: skip
    if len(bias) > 0:
        its = tl.load(bias[0] + group * bias_strides[0] + row * bias_strides[1], mask=within, other=0)
        total = total + its[:, None]
    mask = within[:, None] & inside[None, :]
    more = beside(
        extras, extra_strides, entry[None, :], group, row[:, None], o0[None, :], o1[None, :], o2[None, :], mask
    )  # fmt: skip
    tl.store(out, EPILOGUE(total, *more), mask=mask)
