"""Matrix products with an epilogue, in the canonical order (docs/numerics.md, rule 3): ascending k in chunks of KC.

`dot` leaves the products of a tile to tl.dot. `chain` writes every fma itself, one outer product at a time: for
float64, whose tl.dot goes to matrix units, and for integers.

Past the end of k, a is −0 and b +0: adding their product, −0, changes nothing, not even −0. It takes a select after the
load; ``other=-0.0`` of a pipelined load becomes +0, since the asynchronous copy fills with zeros.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import instance, offset_of


@triton.jit
def as_loaded(x):
    """What stands for WIDEN where tl.dot takes elements as they are."""
    return x


@triton.jit
def tile_of(pid, tiles_m, tiles_n, GROUP: tl.constexpr):
    """(batch, row, column) of a tile among tiles; GROUP rows of tiles go together, so that they share b's."""
    batch = pid // (tiles_m * tiles_n)
    pid = pid % (tiles_m * tiles_n)
    first = pid // (GROUP * tiles_n) * GROUP
    height = min(tiles_m - first, GROUP)
    pid = pid % (GROUP * tiles_n)
    return batch, first + pid % height, pid // height


@triton.jit
def place(
    pid, m, n, tiles_m, tiles_n, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr, INDEX: tl.constexpr
):  # fmt: skip
    """(batch, rows, columns) of a tile."""
    batch, row, column = tile_of(pid, tiles_m, tiles_n, GROUP)
    return batch, row * BM + tl.arange(0, BM).to(INDEX), column * BN + tl.arange(0, BN).to(INDEX)


@triton.jit
def begin_of(ends, group, rows, INDEX: tl.constexpr):
    """Where a group begins: within the rows, whatever ends say; the first one at 0."""
    begin = tl.load(ends + (group - 1), mask=group > 0, other=0)
    return tl.where(begin < 0, 0, tl.where(begin > rows, rows, begin)).to(INDEX)


@triton.jit
def end_of(ends, group, groups, rows, INDEX: tl.constexpr):
    """One after a group's last row, as `begin_of`; the last one has what is left."""
    return tl.where(group == groups - 1, rows, begin_of(ends, group + 1, rows, INDEX))


@triton.jit
def group_of(ends, tile, groups, halvings, rows, BM: tl.constexpr, INDEX: tl.constexpr):
    """(group, first row, one after the group's last) of a tile of BM rows. A group that begins at row r has the tiles
    from r // BM + its number on, which are enough: each tile has one group, and some have no rows."""
    low = tile * 0
    high = low + groups
    for _ in range(halvings):
        middle = (low + high) // 2
        reached = begin_of(ends, middle, rows, INDEX) // BM + middle <= tile
        low = tl.where(reached, middle, low)
        high = tl.where(reached, high, middle)
    begin = begin_of(ends, low, rows, INDEX)
    return low, begin + (tile - (begin // BM + low)) * BM, end_of(ends, low, groups, rows, INDEX)


@triton.jit
def located(
    pid, last, ends, groups, halvings, m, k, tiles_m, tiles_n,
    GROUPED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, KC: tl.constexpr, GROUP: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """(batch, rows, columns, one after the rows that there are, first k, how many, one after the last chunk) of a tile.
    GROUPED: 1: rows are in groups, each a batch of b. 2: k are, each a batch of the output. 0: none are."""
    batch, row, column = tile_of(pid, tiles_m, tiles_n, GROUP)
    columns = column * BN + tl.arange(0, BN).to(INDEX)
    if GROUPED == 1:
        group, top, bottom = group_of(ends[0], row, groups, halvings, m, BM, INDEX)
        chunks = tl.where(top < bottom, last, 0)
        return group, top + tl.arange(0, BM).to(INDEX), columns, bottom, 0, k, chunks
    elif GROUPED == 2:
        start = begin_of(ends[0], batch, k, INDEX)
        its_k = max(end_of(ends[0], batch, groups, k, INDEX) - start, 0)
        chunks = max((its_k + (KC - 1)) // KC, 1)
        return batch, row * BM + tl.arange(0, BM).to(INDEX), columns, m, start, its_k, chunks
    else:
        return batch, row * BM + tl.arange(0, BM).to(INDEX), columns, m, 0, k, last


@triton.jit
def finish_at(total, out, extras, at_batch, y, x, mask, batch, out_strides, extra_strides, EPILOGUE: tl.constexpr):
    """out[batch, y, x] = EPILOGUE(total, extras at the same place…), where mask says so."""
    values = (total,)
    for i in tl.static_range(len(extras)):
        steps = extra_strides[i]
        at = extras[i] + offset_of(at_batch, batch, steps[0]) + (y * steps[1] + x * steps[2])
        values = values + (tl.load(at, mask=mask, other=0),)  # noqa: RUF005
    at = out + offset_of(at_batch, batch, out_strides[0]) + (y * out_strides[1] + x * out_strides[2])
    tl.store(at, EPILOGUE(*values), mask=mask)


@triton.jit
def finish(
    total, out, extras, at_batch, rows, columns, m, n, batch, out_strides, extra_strides, EPILOGUE: tl.constexpr
):  # fmt: skip
    """The same of a tile's rows and columns."""
    y, x = rows[:, None], columns[None, :]
    mask = (y < m) & (x < n)
    finish_at(total, out, extras, at_batch, y, x, mask, batch, out_strides, extra_strides, EPILOGUE)


@triton.jit
def shared_out(chunks, SHARED: tl.constexpr, DIES: tl.constexpr, INDEX: tl.constexpr):
    """(tile, first chunk, the one after the last) of a program instance: SHARED, one chunk; else all."""
    pid = instance(DIES, INDEX)
    if SHARED:
        return pid // chunks, pid % chunks, pid % chunks + 1
    else:
        return pid, 0, chunks


@triton.jit
def keep(part, parts, chunk, size, at_batch, rows, columns, m, n):
    """parts[chunk, batch, rows, columns] = part. size: of a chunk's."""
    y, x = rows[:, None], columns[None, :]
    tl.store(parts + ((chunk * size + at_batch * m * n) + (y * n + x)), part, mask=(y < m) & (x < n))


@triton.jit
def fold(
    out, parts, extras, m, n, chunks, size, tiles_m, tiles_n, batch, out_strides, extra_strides,
    EPILOGUE: tl.constexpr, ACC: tl.constexpr, NOTHING: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    GROUP: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """out = EPILOGUE(the parts of all chunks, added in order; extras…)."""
    pid = tl.program_id(0).to(INDEX)
    at_batch, rows, columns = place(pid, m, n, tiles_m, tiles_n, BM, BN, GROUP, INDEX)
    y, x = rows[:, None], columns[None, :]
    parts += at_batch * m * n + (y * n + x)
    total = tl.full([BM, BN], NOTHING, ACC)
    for chunk in range(chunks):
        total = total + tl.load(parts + (pid * 0 + chunk) * size, mask=(y < m) & (x < n), other=0)
    finish(total, out, extras, at_batch, rows, columns, m, n, batch, out_strides, extra_strides, EPILOGUE)


@triton.jit
def dot(
    out, a, b, ends, extras, m, n, k, chunks, size, tiles_m, tiles_n, batch, groups, halvings, a_strides, b_strides,
    out_strides, extra_strides,
    WIDEN: tl.constexpr, EPILOGUE: tl.constexpr, ACC: tl.constexpr, NOTHING: tl.constexpr, MASKED: tl.constexpr,
    SIGNED: tl.constexpr, PRECISION: tl.constexpr, SHARED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr, KC: tl.constexpr, GROUP: tl.constexpr, GROUPED: tl.constexpr, DIES: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """out = EPILOGUE(a @ b, extras…), by tl.dot. chunks: of KC consecutive k, at least 1, so that no k at all gives +0.

    Strides of an operand: (those of the batch axes, its row's, its column's). NOTHING: what a total starts from: −0, or
    an integer 0. SHARED: a program instance has one chunk, whose result goes to `out`, of scratch, for `fold`; size: of
    a chunk's. MASKED: k is no multiple of BK. SIGNED: the sign of a zero matters, so past the end a is to be −0.
    ends: (), or, GROUPED as `located` has it, of the groups of rows (or of k), which are found by so many halvings.
    DIES: see `instance`.
    """
    pid, first, last = shared_out(chunks, SHARED, DIES, INDEX)
    at_batch, rows, columns, m, begin, k, last = located(
        pid, last, ends, groups, halvings, m, k, tiles_m, tiles_n, GROUPED, BM, BN, KC, GROUP, INDEX
    )
    if GROUPED == 2:
        a += begin * a_strides[2]
        b += begin * b_strides[1]
    a_rows = a + offset_of(at_batch, batch, a_strides[0]) + rows[:, None] * a_strides[1]
    b_columns = b + offset_of(at_batch, batch, b_strides[0]) + columns[None, :] * b_strides[2]
    a_there, b_there = rows[:, None] < m, columns[None, :] < n
    total = tl.full([BM, BN], NOTHING, ACC)
    for chunk in range(first, last):
        part = tl.full([BM, BN], 0, ACC)
        for start in range(chunk * KC, min(chunk * KC + KC, k), BK):
            at = start + tl.arange(0, BK).to(INDEX)
            across, down = at[None, :], at[:, None]
            if MASKED:
                left = WIDEN(tl.load(a_rows + across * a_strides[2], mask=a_there & (across < k), other=0))
                right = tl.load(b_columns + down * b_strides[1], mask=b_there & (down < k), other=0)
                if SIGNED:
                    left = tl.where(across < k, left, -0.0)
            else:
                left = WIDEN(tl.load(a_rows + across * a_strides[2], mask=a_there, other=0))
                right = tl.load(b_columns + down * b_strides[1], mask=b_there, other=0)
            part = tl.dot(left, WIDEN(right), part, input_precision=PRECISION, out_dtype=ACC)
        if SHARED:
            keep(part, out, chunk, size, at_batch, rows, columns, m, n)
        else:
            total = total + part
    if not SHARED:
        finish(total, out, extras, at_batch, rows, columns, m, n, batch, out_strides, extra_strides, EPILOGUE)


@triton.jit
def chain(
    out, a, b, ends, extras, m, n, k, chunks, size, tiles_m, tiles_n, batch, groups, halvings, a_strides, b_strides,
    out_strides, extra_strides,
    WIDEN: tl.constexpr, EPILOGUE: tl.constexpr, ACC: tl.constexpr, NOTHING: tl.constexpr, MASKED: tl.constexpr,
    FUSED: tl.constexpr, SHARED: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, KC: tl.constexpr,
    GROUP: tl.constexpr, GROUPED: tl.constexpr, DIES: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """Like dot, but each k is one outer product, added by fma (FUSED) or by integer multiplication and addition."""
    pid, first, last = shared_out(chunks, SHARED, DIES, INDEX)
    at_batch, rows, columns, m, begin, k, last = located(
        pid, last, ends, groups, halvings, m, k, tiles_m, tiles_n, GROUPED, BM, BN, KC, GROUP, INDEX
    )
    if GROUPED == 2:
        a += begin * a_strides[2]
        b += begin * b_strides[1]
    a_rows = a + offset_of(at_batch, batch, a_strides[0]) + rows * a_strides[1]
    b_columns = b + offset_of(at_batch, batch, b_strides[0]) + columns * b_strides[2]
    a_there, b_there = rows < m, columns < n
    nothing = tl.full([BM], NOTHING, ACC)
    total = tl.full([BM, BN], NOTHING, ACC)
    for chunk in range(first, last):
        part = tl.full([BM, BN], 0, ACC)
        for start in range(chunk * KC, min(chunk * KC + KC, k), BK):
            for step in tl.static_range(BK):
                at = start + step
                if MASKED:
                    left = WIDEN(tl.load(a_rows + at * a_strides[2], mask=a_there & (at < k), other=0))
                    left = tl.where(at < k, left, nothing)
                    right = WIDEN(tl.load(b_columns + at * b_strides[1], mask=b_there & (at < k), other=0))
                else:
                    left = WIDEN(tl.load(a_rows + at * a_strides[2], mask=a_there, other=0))
                    right = WIDEN(tl.load(b_columns + at * b_strides[1], mask=b_there, other=0))
                left, right = tl.broadcast(left[:, None], right[None, :])
                part = tl.fma(left, right, part) if FUSED else part + left * right
        if SHARED:
            keep(part, out, chunk, size, at_batch, rows, columns, m, n)
        else:
            total = total + part
    if not SHARED:
        finish(total, out, extras, at_batch, rows, columns, m, n, batch, out_strides, extra_strides, EPILOGUE)
