"""What each process of test_distributed.py computes: every function here is called on all ranks, with groups of 1, 2, 3
and 4 of them, and gives a list of what was wrong. The reference is accel in this process alone, on everything."""

from __future__ import annotations

import copy

import torch
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel

import accel
import accel.torch
import accel.torch.distributed as parallel
from accel.torch.distributed.ordered import product, total
from accel.torch.distributed.ranks import ranks_of

F32, F16, BF16, F64 = torch.float32, torch.float16, torch.bfloat16, torch.float64


def drawn(seed, *shape, dtype=F32):
    """Numbers of many sizes, so that each order of additions has its own bits."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) * torch.randn(shape, generator=generator).exp()).to(dtype)


def cut(x, axis, lengths, rank):
    return x.split(list(lengths), axis)[rank].clone()


def even(n, size):
    return [n * (r + 1) // size - n * r // size for r in range(size)]


def uneven(n, size):
    """Parts of lengths that divide by nothing, one of them empty where there are four."""
    ends = {1: [n], 2: [n * 3 // 8 + 1, n], 3: [7, n - 5, n], 4: [n // 3, n // 3, n - 1, n]}[size]
    return [b - a for a, b in zip([0, *ends], ends, strict=False)]


def place(group):
    ranks = ranks_of(group)
    return ranks.rank, ranks.size


def same(name, got, want):
    """Bits, zeros' signs too."""
    got, want = got.detach(), want.detach()
    if got.dtype != want.dtype or got.shape != want.shape:
        return [f"{name}: {got.dtype} {tuple(got.shape)}, not {want.dtype} {tuple(want.shape)}"]
    if got.numel() == 0:
        return []
    a, b = (x.flatten().view(torch.uint8) for x in (got, want))
    other = int((a != b).sum())
    return [f"{name}: {other} bytes of {got.numel() * got.element_size()} differ"] if other else []


def leaves(*tensors):
    return [None if x is None else x.clone().requires_grad_(x.is_floating_point()) for x in tensors]


def reference(f, tensors, g):
    """A function's result and gradients by accel in one process."""
    its = leaves(*tensors)
    with accel.config(numerics="reproducible"):
        y = accel.torch.function(f)(*its)
        grads = torch.autograd.grad(y, [x for x in its if x.requires_grad], g)
    return y.detach(), *grads


def check_products(group):
    rank, size = place(group)
    wrong = []
    for number, (m, k, n, dtype) in enumerate(
        [(5, 1, 3, F32), (5, 255, 3, F32), (4, 257, 6, F64), (7, 1100, 5, F32), (3, 2048, 4, BF16), (2, 1300, 3, F16)]
    ):
        a, b = drawn(number, m, k, dtype=dtype), drawn(number + 50, k, n, dtype=dtype)
        with accel.config(numerics="reproducible"):
            want = accel.matmul(a, b, dtype="float64" if dtype is F64 else "float32")
        for cutting in (even, uneven):
            lengths = cutting(k, size)
            if sum(lengths) != k or min(lengths) < 0:
                continue
            got = product(
                ranks_of(group), "product", cut(a, 1, lengths, rank), cut(b, 0, lengths, rank), lengths, want.dtype
            )
            wrong += same(f"{m} x {k} x {n} {dtype} {lengths}", got, want)
    return wrong


def check_products_of_zeros(group):
    """Chunks that are −0: a tiny product rounds to it, and the sum of such chunks keeps the sign."""
    rank, size = place(group)
    a, b = torch.full((2, 1024), 1e-30), torch.full((1024, 2), -1e-30)
    want = accel.matmul(a, b)
    assert torch.signbit(want).all() and (want == 0).all()
    lengths = even(1024, size)
    got = product(ranks_of(group), "product", cut(a, 1, lengths, rank), cut(b, 0, lengths, rank), lengths, F32)
    return same("-0", got, want)


def check_large_products_in_pieces(group):
    from accel.torch.distributed import ordered

    rank, size = place(group)
    a, b = drawn(1, 300, 5000), drawn(2, 5000, 40)
    want, lengths = accel.matmul(a, b), even(5000, size)
    names = ("PIECE", "MESSAGE", "FUSED")
    kept = [getattr(ordered, name) for name in names]
    wrong = []
    for sizes in ((1 << 15, 1 << 20, 1 << 16), (1 << 26, 1 << 10, 1 << 16), (1 << 16, 1 << 14, 1)):
        for name, its in zip(names, sizes, strict=True):
            setattr(ordered, name, its)
        a1, b1 = cut(a, 1, lengths, rank), cut(b, 0, lengths, rank)
        wrong += same("pieces", product(ranks_of(group), "product", a1, b1, lengths, F32), want)
    for name, its in zip(names, kept, strict=True):
        setattr(ordered, name, its)
    return wrong


def check_sums(group):
    rank, size = place(group)
    wrong = []
    for number, (n, columns, dtype) in enumerate(
        [(1, 3, F32), (63, 2, F32), (64, 2, F64), (130, 3, BF16), (4096, 2, F32), (4097, 2, F32), (9000, 3, F32),
         (3 * 4096, 2, F32), (20011, 1, F32)]
    ):  # fmt: skip
        x = drawn(number, n, columns, dtype=dtype)
        want = accel.sum(x.to(F64 if dtype is F64 else F32), axis=0)
        for cutting in (even, uneven, lambda n, size: [4096] * (size - 1) + [n - 4096 * (size - 1)]):
            lengths = cutting(n, size)
            if sum(lengths) == n and min(lengths) >= 0:
                got = total(ranks_of(group), "sum", cut(x, 0, lengths, rank), lengths)
                wrong += same(f"{n} x {columns} {dtype} {lengths}", got, want)
        zeros = torch.full((n, 2), -0.0)
        got = total(ranks_of(group), "sum", cut(zeros, 0, even(n, size), rank), even(n, size))
        wrong += same(f"{n} times -0", got, accel.sum(zeros, axis=0))
    return wrong


def check_column_parallel_linear(group):
    rank, size = place(group)
    wrong = []
    for shape, n, dtype, biased in [
        ((3, 5, 70), 600, F32, True),
        ((4, 300), 1024, BF16, False),
        ((6, 4), 33, F64, True),
    ]:
        its = (shape, (n, shape[-1]), (*shape[:-1], n))
        x, w, g = (drawn(i, *s, dtype=dtype) for i, s in enumerate(its))
        b = drawn(4, n, dtype=dtype) if biased else None
        given = [t for t in (x, w, b) if t is not None]
        y, dx, dw, *db = reference(lambda *its: accel.nn.linear(*its), given, g)
        lengths = uneven(n, size)
        mine = leaves(x, cut(w, 0, lengths, rank), None if b is None else cut(b, 0, lengths, rank))
        got = parallel.column_parallel_linear(*mine, group=group)
        got.backward(cut(g, -1, lengths, rank))
        wrong += same("y", got, cut(y, -1, lengths, rank)) + same("dx", mine[0].grad, dx)
        wrong += same("dw", mine[1].grad, cut(dw, 0, lengths, rank))
        if biased:
            wrong += same("db", mine[2].grad, cut(db[0], 0, lengths, rank))
    return wrong


def check_row_parallel_linear(group):
    rank, size = place(group)
    wrong = []
    for shape, n, dtype, biased in [
        ((3, 5, 1100), 9, F32, True),
        ((4, 2048), 30, BF16, True),
        ((6, 14), 33, F64, False),
    ]:
        its = (shape, (n, shape[-1]), (*shape[:-1], n))
        x, w, g = (drawn(i, *s, dtype=dtype) for i, s in enumerate(its))
        b = drawn(4, n, dtype=dtype) if biased else None
        given = [t for t in (x, w, b) if t is not None]
        y, dx, dw, *db = reference(lambda *its: accel.nn.linear(*its), given, g)
        lengths = uneven(shape[-1], size)
        mine = leaves(cut(x, -1, lengths, rank), cut(w, 1, lengths, rank), b)
        got = parallel.row_parallel_linear(*mine, group=group)
        got.backward(g)
        wrong += same("y", got, y) + same("dx", mine[0].grad, cut(dx, -1, lengths, rank))
        wrong += same("dw", mine[1].grad, cut(dw, 1, lengths, rank))
        if biased:
            wrong += same("db", mine[2].grad, db[0])
    return wrong


def check_data_parallel_linear(group):
    rank, size = place(group)
    wrong = []
    for rows, dtype, cutting in ((16, F32, even), (700, F32, uneven), (8200, F32, even), (520, BF16, even)):
        x, w, b, g = (drawn(i, *s, dtype=dtype) for i, s in enumerate(((rows, 20), (9, 20), (9,), (rows, 9))))
        y, dx, dw, db = reference(lambda *its: accel.nn.linear(*its), (x, w, b), g)
        lengths = cutting(rows, size)
        mine = leaves(cut(x, 0, lengths, rank), w, b)
        got = parallel.linear(*mine, batch=group)
        got.backward(cut(g, 0, lengths, rank))
        wrong += same("y", got, cut(y, 0, lengths, rank)) + same("dx", mine[0].grad, cut(dx, 0, lengths, rank))
        wrong += same(f"dw {rows}", mine[1].grad, dw) + same(f"db {rows}", mine[2].grad, db)
    return wrong


def norm_of(name, n):
    def norm(x, weight, bias=None):
        more = {} if bias is None else {"bias": bias}
        return getattr(accel.nn, name)(x, (n,), weight, eps=1e-5, **more)

    return norm


def check_norms_of_a_batch(group):
    rank, size = place(group)
    wrong = []
    for rows, n, dtype in ((5000, 6, F32), (40, 70, BF16)):
        x, w, b, g = (drawn(i, *s, dtype=dtype) for i, s in enumerate(((rows, n), (n,), (n,), (rows, n))))
        lengths = uneven(rows, size)
        for name, given in (("rms_norm", [w]), ("layer_norm", [w, b])):
            y, dx, *others = reference(norm_of(name, n), [x, *given], g)
            mine = leaves(cut(x, 0, lengths, rank), *given)
            got = getattr(parallel, name)(*mine, eps=1e-5, batch=group)
            got.backward(cut(g, 0, lengths, rank))
            wrong += same(f"{name} {dtype} y", got, cut(y, 0, lengths, rank))
            wrong += same(f"{name} {dtype} dx", mine[0].grad, cut(dx, 0, lengths, rank))
            for its, want in zip(mine[1:], others, strict=True):
                wrong += same(f"{name} {dtype} parameter", its.grad, want)
    return wrong


def check_embedding(group):
    rank, size = place(group)
    wrong = []
    tokens = torch.randint(0, 50, (3, 40), generator=torch.Generator().manual_seed(0))
    for dtype, padding in ((F32, None), (BF16, 3)):
        w, g = drawn(1, 50, 6, dtype=dtype), drawn(2, 3, 40, 6, dtype=dtype)
        w[7] = -0.0
        tokens[0, :3] = 7
        y, dw = reference(lambda t, w, p=padding: accel.nn.embedding(t, w, p), [tokens, w], g)
        lengths = uneven(50, size)
        (mine,) = leaves(cut(w, 0, lengths, rank))
        got = parallel.embedding(tokens, mine, padding, group=group)
        got.backward(g)
        wrong += same(f"y {dtype}", got, y) + same(f"dw {dtype}", mine.grad, cut(dw, 0, lengths, rank))
        rows = uneven(3, size) if size < 3 else even(3, size)
        (all_rows,) = leaves(w)
        got = parallel.embedding(cut(tokens, 0, rows, rank), all_rows, padding, batch=group)
        got.backward(cut(g, 0, rows, rank))
        wrong += same(f"dw of a batch {dtype}", all_rows.grad, dw)
    return wrong


def check_cross_entropy(group):
    rank, size = place(group)
    wrong = []
    for rows, classes, dtype in ((6, 40, F32), (5, 9000, F32), (7, 300, BF16), (4, 130, F64)):
        x = drawn(1, rows, classes, dtype=dtype)
        target = torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(2))
        target[1] = -100
        for reduction, lengths in {
            40: [("mean", even(classes, size))],
            9000: [("none", uneven(classes, size))],
            300: [("sum", even(classes, size))],
            130: [("mean", uneven(classes, size))],
        }[classes]:
            g = drawn(3, *((rows,) if reduction == "none" else ()), dtype=dtype)
            y, dx = reference(lambda x, t, r=reduction: accel.nn.cross_entropy(x, t, reduction=r), [x, target], g)
            (mine,) = leaves(cut(x, 1, lengths, rank))
            got = parallel.cross_entropy(mine, target, reduction=reduction, group=group)
            got.backward(g)
            wrong += same(f"{reduction} {classes} {dtype}", got, y)
            wrong += same(f"{reduction} {classes} {dtype} dx", mine.grad, cut(dx, 1, lengths, rank))
            parts = even(rows, size)
            (mine,) = leaves(cut(x, 0, parts, rank))
            got = parallel.cross_entropy(mine, cut(target, 0, parts, rank), reduction=reduction, batch=group)
            got.backward(cut(g, 0, parts, rank) if reduction == "none" else g)
            wrong += same(f"batch {reduction} {classes} {dtype}", got, cut(y, 0, parts, rank) if y.ndim else y)
            wrong += same(f"batch {reduction} {classes} {dtype} dx", mine.grad, cut(dx, 0, parts, rank))
    x = drawn(1, 3, 20)
    x[0, 15], x[1, 2] = float("nan"), float("inf")
    (mine,) = leaves(cut(x, 1, even(20, size), rank))
    got = parallel.cross_entropy(mine, torch.tensor([1, 1, 1]), reduction="none", group=group)
    want = accel.nn.cross_entropy(x, torch.tensor([1, 1, 1]), reduction="none")
    if not torch.equal(got.isnan(), want.isnan()):
        wrong.append(f"NaN: {got}, not {want}")
    return wrong


def check_cross_entropy_with_weights_and_smoothing(group):
    rank, size = place(group)
    wrong = []
    for number, (rows, classes, dtype, weighed, smoothing, reduction) in enumerate(
        [(6, 40, F32, True, 0.0, "mean"), (5, 9000, F32, True, 0.1, "mean"), (7, 300, BF16, False, 0.2, "sum"),
         (4, 130, F64, True, 0.3, "none"), (5, 64, F32, False, 1.0, "mean")]
    ):  # fmt: skip
        x, w = drawn(number, rows, classes, dtype=dtype), drawn(number + 9, classes, dtype=dtype).abs()
        target = torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(2))
        target[1] = -100
        g = drawn(3, *((rows,) if reduction == "none" else ()), dtype=dtype)
        its = {"reduction": reduction, "label_smoothing": smoothing}
        y, dx, *_ = reference(
            lambda x, t, *w, its=its: accel.nn.cross_entropy(x, t, *w, **its), [x, target, *[w] * weighed], g
        )
        lengths = uneven(classes, size)
        (mine,) = leaves(cut(x, 1, lengths, rank))
        part = cut(w, 0, lengths, rank) if weighed else None
        got = parallel.cross_entropy(mine, target, weight=part, group=group, **its)
        got.backward(g)
        wrong += same(f"{number}", got, y) + same(f"{number} dx", mine.grad, cut(dx, 1, lengths, rank))
        parts = even(rows, size)
        (mine,) = leaves(cut(x, 0, parts, rank))
        got = parallel.cross_entropy(
            mine, cut(target, 0, parts, rank), weight=w if weighed else None, batch=group, **its
        )
        got.backward(cut(g, 0, parts, rank) if reduction == "none" else g)
        wrong += same(f"{number} batch", got, cut(y, 0, parts, rank) if y.ndim else y)
        wrong += same(f"{number} batch dx", mine.grad, cut(dx, 0, parts, rank))
    return wrong


def check_column_parallel_linears(group):
    """The gradient of x is that of layers called one after another, which is no product of all features at once."""
    rank, size = place(group)
    wrong = []
    for dtype, widths, cutting in ((F32, (520, 300, 70), uneven), (BF16, (512, 256, 256), even), (F64, (5, 1), even)):
        x = drawn(1, 2, 3, 90, dtype=dtype)
        ws = [drawn(i + 2, n, 90, dtype=dtype) for i, n in enumerate(widths)]
        bs = [drawn(i + 9, n, dtype=dtype) if i else None for i, n in enumerate(widths)]
        gs = [drawn(i + 5, 2, 3, n, dtype=dtype) for i, n in enumerate(widths)]
        lengths = [cutting(n, size) if n > size else [n] + [0] * (size - 1) for n in widths]
        if any(min(its) < 0 for its in lengths):
            continue

        def run(call, gs=gs, x=x, ws=ws, bs=bs, lengths=lengths):
            mine = leaves(x, *(cut(w, 0, n, rank) for w, n in zip(ws, lengths, strict=True)))
            biases = leaves(*(None if b is None else cut(b, 0, n, rank) for b, n in zip(bs, lengths, strict=True)))
            made = call(mine[0], mine[1:], biases, lengths)
            torch.autograd.backward(made, [cut(g, -1, n, rank) for g, n in zip(gs, lengths, strict=True)])
            return [*made, *(p.grad for p in (*mine, *biases) if p is not None)]

        together = run(lambda x, ws, bs, n: parallel.column_parallel_linears(x, ws, bs, group=group, lengths=n))
        single = run(
            lambda x, ws, bs, n: [
                parallel.column_parallel_linear(x, *its, group=group, lengths=n)
                for *its, n in zip(ws, bs, n, strict=True)
            ]
        )
        for i, (a, b) in enumerate(zip(together, single, strict=True)):
            wrong += same(f"{dtype} {i}", a, b)
        dx = None  # of one process
        for w, g in reversed(list(zip(ws, gs, strict=True))):
            with accel.config(numerics="reproducible"):
                its = accel.matmul(g, w)
                dx = its if dx is None else accel.add(dx, its)
        wrong += same(f"{dtype} dx", together[len(widths)], dx)
    return wrong


def check_clipping(group):
    size = place(group)[1]
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Embedding(90, 300), torch.nn.Linear(300, 520), torch.nn.Linear(520, 300), torch.nn.LayerNorm(300),
        torch.nn.Linear(300, 90, bias=False),
    )  # fmt: skip
    model[4].weight = model[0].weight
    plan = {"0": parallel.RowwiseParallel(), "1": parallel.ColwiseParallel(), "2": parallel.RowwiseParallel()}
    plan["4"] = parallel.ColwiseParallel(gather_output=True)
    model = parallel.parallelize(model, group, plan)
    model(torch.tensor([[1, 89, 7], [0, 7, 30]])).backward(drawn(2, 2, 3, 90))
    whole = parallel.whole(model, gradients=True)
    whole.pop("4.weight")
    wrong = [] if size == 1 or model[2].weight.shape[1] < 520 else ["the layer is whole"]
    norm = accel.optim.clip_by_global_norm(list(whole.values()), 1.0)[1]
    for most in (1e9, 0.37 * float(norm)):
        clipped, norm = accel.optim.clip_by_global_norm(list(parallel.whole(model, gradients=True).values())[:-1], most)
        wrong += same("norm", parallel.clip_by_global_norm(model, most), norm)
        found = parallel.whole(model, gradients=True)
        for (name, _), want in zip(whole.items(), clipped, strict=True):
            wrong += same(f"{name} {most}", found[name], want)
    return wrong


def check_attention_by_heads(group):
    rank, size = place(group)
    wrong = []
    for kept in (4, 2):
        q, k, v, g = (drawn(i, 2, h, 9, 16) for i, h in enumerate((8, kept, kept, 8)))
        y, *grads = reference(
            lambda *its: accel.nn.scaled_dot_product_attention(*its, is_causal=True, enable_gqa=True), (q, k, v), g
        )
        lengths = even(kept, size)
        wide = [n * 8 // kept for n in lengths]
        its = (wide, lengths, lengths)
        mine = leaves(*(cut(x, 1, n, rank) for x, n in zip((q, k, v), its, strict=True)))
        got = parallel.attention(*mine, is_causal=True)
        got.backward(cut(g, 1, wide, rank))
        wrong += same("y", got, cut(y, 1, wide, rank))
        for x, want, n in zip(mine, grads, its, strict=True):
            wrong += same("gradient", x.grad, cut(want, 1, n, rank))
    return wrong


def check_a_rank_without_features_asks_no_more_often_than_others(group):
    """Ranks without a part have the same shapes in many layers, where others have other ones."""
    rank, size = place(group)
    wrong = []
    for n in (5, 6, 5, 6):
        x, w = drawn(n, 4, 30), drawn(n, n, 30)
        lengths = [n, *[0] * (size - 1)]
        (mine,) = leaves(cut(w, 0, lengths, rank))
        got = parallel.column_parallel_linear(x, mine, group=group, lengths=lengths)
        got.sum().backward()
        wrong += same("y", got, cut(accel.nn.linear(x, w), -1, lengths, rank))
    return wrong


def check_parallel_modules(group):
    rank, size = place(group)
    torch.manual_seed(0)
    layer, words = torch.nn.Linear(700, 600), torch.nn.Embedding(300, 8, padding_idx=2)
    x, g = drawn(1, 3, 700), drawn(2, 3, 600)
    y, dx, dw, db = reference(lambda *its: accel.nn.linear(*its), (x, layer.weight.detach(), layer.bias.detach()), g)
    wrong = []
    columns = parallel.ColumnParallelLinear(layer, group, gather_output=True)
    rows = parallel.RowParallelLinear(layer, group)
    for parts, axis in ((columns, None), (rows, 1)):
        layer.zero_grad()  # of one rank the parameters are the layer's own
        (mine,) = leaves(x if axis is None else cut(x, axis, parts.lengths, rank))
        got = parts(mine)
        got.backward(g)
        found = parallel.whole(parts, gradients=True)
        wrong += same("y", got, y) + same("dw", found["weight"], dw) + same("db", found["bias"], db)
        wrong += same("dx", mine.grad, dx if axis is None else cut(dx, axis, parts.lengths, rank))
        wrong += same("whole", parallel.whole(parts)["weight"], layer.weight)
        if sum(parts.lengths) == 700 and size < 4 and any(n % 256 for n in parts.lengths[:-1]):
            wrong.append(f"shares of 700 are not chunks: {parts.lengths}")
    its = parallel.VocabularyParallelEmbedding(words, group)
    wrong += same("embedding", its(torch.tensor([[2, 299], [0, 7]])), words(torch.tensor([[2, 299], [0, 7]])))
    return wrong


def check_a_plan_of_torchs_styles_on_a_mesh(group):
    size = place(group)[1]
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Embedding(90, 300), torch.nn.Linear(300, 520), torch.nn.ReLU(), torch.nn.Linear(520, 300),
        torch.nn.LayerNorm(300), torch.nn.Linear(300, 90),
    )  # fmt: skip
    tokens, g = torch.tensor([[1, 89, 7], [0, 7, 30]]), drawn(2, 2, 3, 90)
    alone = parallel.parallelize(copy.deepcopy(model), None, {})
    y = alone(tokens)
    y.backward(g)
    plan = {"0": RowwiseParallel(input_layouts=Replicate()), "1": ColwiseParallel(), "3": RowwiseParallel()}
    plan["5"] = ColwiseParallel(output_layouts=Replicate())
    mesh = None if group is None else DeviceMesh.from_group(group, "cpu", mesh_dim_names=("tensor",))
    model = parallel.parallelize(model, mesh, plan)
    got = model(tokens)
    got.backward(g)
    wrong = same("scores", got, y)
    want, found = (parallel.whole(its, gradients=True) for its in (alone, model))
    if len(want) != 9 or set(found) != set(want):
        wrong.append(f"gradients of {sorted(found)}, not of {sorted(want)}")
    if size > 1 and model[1].weight.shape[0] == 520:
        wrong.append("the layer is whole")
    return wrong + [line for name in want for line in same(name, found[name], want[name])]


def control(group):
    """How many elements differ when partial results are added without the order: (torch's all_reduce of accel's
    partial products, partial products of unaligned parts added by rank, sums added by rank)."""
    rank, size = place(group)
    a, b = drawn(3, 7, 1100), drawn(53, 1100, 5)
    want, lengths = accel.matmul(a, b), even(1100, size)
    mine = accel.matmul(cut(a, 1, lengths, rank), cut(b, 0, lengths, rank))
    reduced = mine.clone()
    distributed.all_reduce(reduced, group=group)
    parts = [torch.empty_like(mine) for _ in range(size)]
    distributed.all_gather(parts, mine, group=group)
    by_rank = parts[0]
    for part in parts[1:]:
        by_rank = by_rank + part
    x = drawn(6, 9000, 3)
    summed = accel.sum(cut(x, 0, even(9000, size), rank), axis=0)
    distributed.all_reduce(summed, group=group)
    return [int((got != to).sum()) for got, to in ((reduced, want), (by_rank, want), (summed, accel.sum(x, axis=0)))]
