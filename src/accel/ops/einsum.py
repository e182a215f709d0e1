"""`einsum`: sums of products over labelled axes, contracted two operands at a time as products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Any

from .. import interop
from ..array import Array
from ..dtypes import BOOL, INT64, DType, as_dtype, promote
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from .contraction import Path, Term, described, greedy, in_order, remaining
from .primitive.matmul import matmul
from .primitive.pointwise import astype, copy, fn
from .primitive.reduce import sum as total
from .rearranging import diagonals
from .views import reshape

Spec = tuple[list[Term], Term, dict[str, int]]
"""The labels of each operand and of the result, one letter or character for each axis, and the length of each."""


def einsum(*operands: Any, optimize: Any = True, dtype: Any = None) -> Any:
    """Sums of products of operands over labelled axes: `einsum("ij,jk->ik", a, b)` is a matrix product.

    operands: subscripts and arrays, as NumPy takes them; or arrays and lists of integers, each array before the labels
    of its axes, and at the end, perhaps, the result's. A label that is twice in an operand is its diagonal; ``...``
    stands for axes that broadcast, and that are added up where the result has none; without ``->`` the result has the
    labels that are there once, in alphabetical order.
    optimize: True or "greedy" contract first the two operands that save most elements, False goes from left to right;
    or a path as `einsum_path` gives it. The order of additions is that of `sum` and `matmul` along this path, so that
    the bits depend on it.
    dtype: of the result, by default what the operands promote to. Integers wrap; of booleans, products are and, sums
    or. 16-bit floats are accumulated in float32 and rounded once at the end.
    The result is a new array. Raises ArgumentError, ShapeError, DtypeError, DeviceError.
    """
    text, given = _subscripts("einsum", operands)
    arrays, restore = interop.arrays("einsum", **{f"operands[{i}]": x for i, x in enumerate(given)})
    spec = _parsed("einsum", text, arrays)
    path = _path("einsum", optimize, spec)
    common = promote(*(x.dtype for x in arrays))
    wanted = common if dtype is None else as_dtype(dtype, "einsum: dtype")
    if common.kind == "f" and wanted.kind != "f":
        raise DtypeError(f"einsum: dtype: {wanted} from {common} operands; cast them with astype")
    computed = INT64 if wanted is BOOL else wanted
    if computed is not common:
        arrays = [astype(x, computed, copy=False) for x in arrays]
    result = _contracted(arrays, spec, path, computed)
    if wanted is BOOL:
        result = fn.not_equal(result, 0)
    result = astype(result, wanted, copy=False)
    shares = any(result.buffer is x.buffer for x in arrays)
    return restore(copy(result) if shares else result)


def einsum_path(*operands: Any, optimize: Any = True) -> tuple[list[Any], str]:
    """The path on which `einsum` of these arguments contracts its operands, in NumPy's form, and what it costs as text.

    Nothing is computed. Raises ArgumentError, ShapeError.
    """
    text, given = _subscripts("einsum_path", operands)
    arrays, _ = interop.arrays("einsum_path", **{f"operands[{i}]": x for i, x in enumerate(given)})
    spec = _parsed("einsum_path", text, arrays)
    path = _path("einsum_path", optimize, spec)
    return ["einsum_path", *path], described(spec[0], spec[1], spec[2], path)


# what is asked for


def _subscripts(op: str, operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    """The subscripts as text, and the arrays."""
    if not operands:
        raise ArgumentError(f"{op}: operands: expected subscripts and arrays, got nothing")
    if isinstance(operands[0], str):
        text, given = operands[0].replace(" ", ""), list(operands[1:])
    else:
        pairs, last = operands[: len(operands) // 2 * 2], operands[len(operands) // 2 * 2 :]
        given = list(pairs[::2])
        lists = [_labels(op, labels) for labels in pairs[1::2]]
        text = ",".join(lists) + "".join(f"->{_labels(op, labels)}" for labels in last)
    if not given:
        raise ArgumentError(f"{op}: operands: expected at least one array after the subscripts {shown(text)}")
    return text, given


def _labels(op: str, labels: Any) -> str:
    """A list of integers, and perhaps Ellipsis, as letters."""
    if not isinstance(labels, (list, tuple)):
        raise ArgumentError(f"{op}: operands: expected a list of labels after each array, got {shown(labels)}")
    text = ""
    for label in labels:
        if label is Ellipsis:
            text += "..."
        elif isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(ascii_letters):
            text += ascii_letters[label]
        else:
            raise ArgumentError(
                f"{op}: operands: expected labels from 0 to {len(ascii_letters) - 1}, or Ellipsis, got {shown(label)}"
            )
    return text


def _parsed(op: str, text: str, arrays: Sequence[Array]) -> Spec:
    """Subscripts as labels of axes. An ellipsis stands for characters that are no letters, one for each axis from the
    last on. Raises ArgumentError, ShapeError."""
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(arrays):
        raise ArgumentError(f"{op}: subscripts: {shown(text)} is for {len(parts)} operands, got {len(arrays)}")
    for part in (*parts, right):
        letters = part.replace("...", "", 1)
        if not all(c in ascii_letters for c in letters):
            raise ArgumentError(f"{op}: subscripts: expected letters, commas, '...' and '->', got {shown(text)}")
    terms, most = [], 0
    for i, (part, x) in enumerate(zip(parts, arrays, strict=True)):
        before, dots, behind = part.partition("...")
        free = x.ndim - len(before) - len(behind)
        if free < 0 or (free and not dots):
            raise ShapeError(f"{op}: operands[{i}]: {shown(part)} does not label the axes of shape {x.shape}")
        most = max(most, free)
        terms.append(before + _unnamed(free) + behind)
    named = "".join(parts).replace(".", "")
    if arrow:
        output = right.replace("...", _unnamed(most))
    else:
        output = _unnamed(most) + "".join(sorted(c for c in set(named) if named.count(c) == 1))
    for c in output:
        if output.count(c) > 1 or not any(c in term for term in terms):
            what = "names a label twice" if output.count(c) > 1 else f"names {c!r}, which no operand has"
            raise ArgumentError(f"{op}: subscripts: the result of {shown(text)} {what}")
    lengths: dict[str, int] = {}
    for i, (term, x) in enumerate(zip(terms, arrays, strict=True)):
        for c, n in zip(term, x.shape, strict=True):
            have = lengths.setdefault(c, n)
            if have == 1:
                lengths[c] = n
            elif n not in (1, have):
                raise ShapeError(f"{op}: operands[{i}]: an axis of length {n} has the label of one of length {have}")
    return terms, output, lengths


def _unnamed(count: int) -> str:
    """Labels of the axes under an ellipsis, those that broadcast against each other alike."""
    return "".join(chr(ord("0") + i) for i in range(count, 0, -1))


def _path(op: str, optimize: Any, spec: Spec) -> Path:
    """Raises ArgumentError."""
    terms, output, lengths = spec
    if optimize is True or (isinstance(optimize, str) and optimize == "greedy"):
        return greedy(terms, output, lengths)
    if optimize is False or optimize is None:
        return in_order(len(terms))
    steps = list(optimize) if isinstance(optimize, (list, tuple)) else None
    if steps and isinstance(steps[0], str) and steps[0] == "einsum_path":
        steps = steps[1:]
    left = len(terms)
    for step in steps or ():
        good = isinstance(step, (tuple, list)) and step and all(type(i) is int and 0 <= i < left for i in step)
        if not good or len(set(step)) < len(step):
            steps = None
            break
        left -= len(step) - 1
    if steps is None or left != 1:
        raise ArgumentError(
            f"{op}: optimize: expected True, False, 'greedy' or a path that leaves one of {len(terms)} operands, got "
            f"{shown(optimize)}"
        )
    return [tuple(step) for step in steps]


# how it is computed


def _contracted(arrays: Sequence[Array], spec: Spec, path: Path, dtype: DType) -> Array:
    terms, output, lengths = spec
    left = [_plain(x, term, lengths) for x, term in zip(arrays, terms, strict=True)]
    for step in path or [(0,)]:
        taken = [left[i] for i in step]
        rest = [each for i, each in enumerate(left) if i not in step]
        found = taken[0]
        for i, other in enumerate(taken[1:], 1):
            others = [term for _, term in (*taken[i + 1 :], *rest)]
            found = _pair(found, other, remaining([found[1], other[1]], others, output), dtype)
        if len(taken) == 1:
            found = _alone(found, remaining([found[1]], [term for _, term in rest], output), dtype)
        left = [*rest, found]
    return _alone(left[0], output, dtype)[0]


Labelled = tuple[Array, Term]


def _plain(x: Array, term: Term, lengths: dict[str, int]) -> Labelled:
    """An operand with each label once: diagonals of those that are there twice, and without axes of length 1 that
    broadcast against longer ones."""
    for c in dict.fromkeys(term):
        while term.count(c) > 1:
            a, b = (i for i, other in enumerate(term) if other == c and term[:i].count(c) < 2)
            if x.shape[a] != x.shape[b]:
                one = a if x.shape[a] == 1 else b
                x, term = x[(*(slice(None),) * one, 0)], term[:one] + term[one + 1 :]
                continue
            x = diagonals("einsum", x, 0, a, b)
            term = "".join(other for i, other in enumerate(term) if i not in (a, b)) + c
    for c in term:
        at = term.index(c)
        if x.shape[at] == 1 and lengths[c] != 1:
            x, term = x[(*(slice(None),) * at, 0)], term[:at] + term[at + 1 :]
    return x, term


def _alone(operand: Labelled, wanted: Term, dtype: DType) -> Labelled:
    """An operand with some of its labels in an order, the others added up."""
    x, term = operand
    over = tuple(i for i, c in enumerate(term) if c not in wanted)
    if over:
        x, term = total(x, axis=over, dtype=_accumulated(x, dtype)), "".join(c for c in term if c in wanted)
    return x.permute([term.index(c) for c in wanted]), wanted


def _accumulated(x: Array, dtype: DType) -> str | DType:
    """The dtype of sums and products on the way to a result of a dtype."""
    return x.dtype.accumulator if x.dtype.kind == "f" else dtype


def _pair(one: Labelled, other: Labelled, wanted: Term, dtype: DType) -> Labelled:
    """Two operands as one, with the labels that are wanted: a product of matrices over those that both have and that
    are not; a product of elements where there is none. What only one has, and nobody wants, is added up before."""
    (a, left), (b, right) = (
        _alone(each, "".join(c for c in each[1] if c in wanted or c in rest[1]), dtype)
        for each, rest in ((one, other), (other, one))
    )
    batch = "".join(c for c in left if c in right and c in wanted)
    over = "".join(c for c in left if c in right and c not in wanted)
    rows = "".join(c for c in left if c not in right)
    columns = "".join(c for c in right if c not in left)
    term = batch + rows + columns
    if not over:
        wide = [astype(x, _accumulated(x, dtype), copy=False) for x in (a, b)]
        return fn.multiply(_spread(wide[0], left, term), _spread(wide[1], right, term)), term
    matrices = _matrices(a, left, batch, rows, over), _matrices(b, right, batch, over, columns)
    product = matmul(*matrices, dtype=_accumulated(a, dtype) if a.dtype is b.dtype else None)
    shape = (
        *(a.shape[left.index(c)] for c in batch + rows),
        *(b.shape[right.index(c)] for c in columns),
    )
    return reshape(product, shape), term


def _matrices(x: Array, term: Term, batch: Term, first: Term, second: Term) -> Array:
    """An operand as matrices: two groups of labels as one axis each, behind the batch."""
    moved = x.permute([term.index(c) for c in batch + first + second])
    n, m = len(batch), len(batch + first)
    result: Array = reshape(moved, (*moved.shape[:n], prod(moved.shape[n:m]), prod(moved.shape[m:])))
    return result


def _spread(x: Array, term: Term, wanted: Term) -> Array:
    """An operand under more labels, with length 1 along those that it has not."""
    shape = tuple(x.shape[term.index(c)] if c in term else 1 for c in wanted)
    strides = tuple(x.strides[term.index(c)] if c in term else 0 for c in wanted)
    return x.view(shape, strides)
