"""Arrays side by side in one: each copied to its own box of the output."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of


@triton.jit
def join(
    out, inputs, shapes, out_strides, in_strides, to, first, size, TASK: tl.constexpr, RUNS: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """out[to[k] + …] = inputs[k][…]. shapes, strides: of every box, all of one rank; first: its first program instance,
    behind the last one for a box that is not needed; size: its elements.

    RUNS: 0, or how many elements lie together in the output and in every input, and begin at multiples of as many.
    """
    task = tl.program_id(0).to(INDEX)
    source, base, start, count = inputs[0], to[0], first[0], size[0]
    lengths, out_steps, in_steps = shapes[0], out_strides[0], in_strides[0]
    for k in tl.static_range(1, len(inputs)):
        here = task >= first[k]
        source = tl.where(here, inputs[k], source)
        base, start = tl.where(here, to[k], base), tl.where(here, first[k], start)
        count = tl.where(here, size[k], count)
        lengths = chosen(here, shapes[k], lengths)
        out_steps = chosen(here, out_strides[k], out_steps)
        in_steps = chosen(here, in_strides[k], in_steps)
    i = (task - start) * TASK + tl.arange(0, TASK).to(INDEX)
    if RUNS:
        base, count = tl.multiple_of(base, RUNS), tl.multiple_of(count, RUNS)
        # Here and not in a function of its own: what is known of its arguments is lost where Triton inlines it.
        known, out_known, in_known = (), (), ()
        for a in tl.static_range(len(lengths)):
            known = known + (tl.multiple_of(lengths[a], RUNS),)  # noqa: RUF005
            if a == len(lengths) - 1:
                out_known, in_known = out_known + (1,), in_known + (1,)  # noqa: RUF005
            else:
                out_known = out_known + (tl.multiple_of(out_steps[a], RUNS),)  # noqa: RUF005
                in_known = in_known + (tl.multiple_of(in_steps[a], RUNS),)  # noqa: RUF005
        lengths, out_steps, in_steps = known, out_known, in_known
    mask = i < count
    value = tl.load(source + offset_of(i, lengths, in_steps), mask=mask, other=0)
    tl.store(out + (base + offset_of(i, lengths, out_steps)), value, mask=mask)


@triton.jit
def chosen(here, new, old):
    """new where `here`, else old, one by one."""
    result = ()
    for a in tl.static_range(len(new)):
        result = result + (tl.where(here, new[a], old[a]),)  # noqa: RUF005
    return result
