"""Sweeps: cases of each op over sizes, layouts and dtypes, made from the op table, so that a new row of it is measured
without a word here. `suites.toml` holds their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...dtypes import TABLE
from ...errors import ConfigError
from ...ops.spec import OpSpec
from ...registry import OPS
from ...scalar import FUNCTIONS
from . import arrangements as arranged
from . import beside
from . import compositions as composed
from .case import Operand, Workload, keywords
from .functions import DOMAINS

Names = Sequence[str] | None
Shapes = Sequence[Sequence[int]]

PRIMITIVES = {
    "pointwise": "pointwise", "reduce": "reductions", "mean": "reductions", "softmax": "softmax",
    "log_softmax": "softmax", "logsumexp": "softmax", "matmul": "matmul",
    "scan": "scans",
}  # fmt: skip
"""The family of an op, by its primitive; ``others`` where it has none."""

UNSWEPT = (
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "affine_grid", "allclose", "average", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "beta", "betaln", "channel_shuffle", "cholesky", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "corrcoef", "cov", "cross", "det", "dynamic_quantize", "eigh", "eigvalsh",
    "embedding_bag",
    "fold", "frexp", "grid_sample", "grouped_matmul",
    "index_add", "int8_matmul", "interp", "interpolate", "inv", "isclose", "lcm",
    "lerp", "matrix_norm", "max_pool1d", "max_pool2d", "max_pool3d", "median", "multi_head_attention", "nan_to_num",
    "nanargmax", "nanargmin", "nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd", "nansum", "nanvar",
    "pinv", "pixel_shuffle", "pixel_unshuffle", "ptp", "put_along_axis", "qr", "quantile", "route",
    "scaled_dot_product_attention", "scaled_int8_matmul", "segment_max", "segment_mean", "segment_min", "slogdet",
    "solve", "svd", "svdvals", "trapezoid", "unfold",
)  # fmt: skip
"""Ops whose kernels and launches are those of ops that sweeps measure, or that `accel bench cpu` times."""

DIVISORS = ("floor_divide", "remainder", "divide")
"""Functions whose second operand is kept from being zero: others than accel raise there."""

MIXED = {"where": ("bool", None, None)}
"""Operand dtypes that are not the case's."""

REDUCED = {
    "any": {"b": "only-last"}, "all": {"b": "but-last"}, "prod": {"f": "near-one"},
    "cumulative_prod": {"f": "near-one"},
}  # fmt: skip
"""Values of operands, by kind of dtype. any and all must not end early, nor products overflow."""

SUBSCRIPTS = {"first": 0, "last": -1, "all": None}


def family(spec: OpSpec) -> str:
    """The sweep that measures an op."""
    named = {"astype": "casts", "linear": "linear", **dict.fromkeys(UNSWEPT, "unswept")}
    named |= dict.fromkeys(arranged.OPERANDS, "arrangements") | dict.fromkeys(beside.SPECS, "beside")
    others = "compositions" if spec.name in composed.OPERANDS else "others"
    return named.get(spec.name) or PRIMITIVES.get(spec.primitive, others)


def ops(wanted: str, names: Names = None) -> list[OpSpec]:
    """The public ops of a family, of which some may be chosen by name. Raises ConfigError for one that is not there."""
    public = [spec for spec in OPS.values() if spec.namespace != "internal" and family(spec) == wanted]
    if missing := set(names or ()) - {spec.name for spec in public}:
        raise ConfigError(f"sweep of {wanted}: there is no {', '.join(sorted(missing))}")
    return [spec for spec in public if names is None or spec.name in names]


def _case(
    what: str, op: str, dtype: str, cache: str, operands: Sequence[Operand], given: dict[str, Any] | None = None
) -> Workload:
    return Workload(
        id=f"sweep/{what} {op} {dtype} {cache}",
        model=None, layer=None, phase=None, count=1, source=None,
        op=op, dtype=dtype, operands=tuple(operands), keywords=keywords(given or {}), cache=cache,
    )  # fmt: skip


def _takes(spec: OpSpec, dtypes: Names) -> list[str]:
    """The dtypes asked for that an op takes; None: float32, else int32, else bool, else its first."""
    have = [dtype.name for dtype in spec.dtypes]
    if dtypes is None:
        return [next((d for d in ("float32", "int32", "bool") if d in have), have[0])]
    if unknown := set(dtypes) - TABLE.keys():
        raise ConfigError(f"sweep of {spec.name}: unknown dtype {', '.join(sorted(unknown))}")
    return [dtype for dtype in dtypes if dtype in have]


def count(n: int) -> str:
    """A number of elements: 64K, 16M."""
    for unit, size in (("M", 1 << 20), ("K", 1 << 10)):
        if n >= size and n % size == 0:
            return f"{n // size}{unit}"
    return str(n)


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def pointwise(cache: str, elements: Sequence[int], dtypes: Names = None, names: Names = None) -> Iterator[Workload]:
    """Every scalar function, and copy, over contiguous operands. clip has scalars for its limits."""
    for spec in ops("pointwise", names):
        for dtype in _takes(spec, dtypes):
            for n in elements:
                yield _case(count(n), spec.name, dtype, cache, _operands(spec, dtype, n))


def _operands(spec: OpSpec, dtype: str, n: int) -> list[Operand]:
    values = DOMAINS.get(spec.name, "normal")
    if spec.name == "clip":
        return [Operand((n,), dtype), Operand((), dtype, values="lower"), Operand((), dtype, values="upper")]
    arity = FUNCTIONS[spec.name].arity if spec.name in FUNCTIONS else len(spec.arguments)
    made = [Operand((n,), own or dtype, values=values) for own in MIXED.get(spec.name, (None,) * arity)]
    if spec.name in DIVISORS:
        made[1] = Operand((n,), dtype, values="positive")
    return made


def casts(cache: str, elements: Sequence[int], pairs: Sequence[tuple[str, str]]) -> Iterator[Workload]:
    """astype of contiguous operands."""
    for source, target in pairs:
        for n in elements:
            yield _case(f"{count(n)}/to-{target}", "astype", source, cache, [Operand((n,), source)], {"dtype": target})


def reductions(
    cache: str, shapes: Shapes, axes: Sequence[str], dtypes: Names = None, names: Names = None
) -> Iterator[Workload]:
    """Every reduction over the first, the last or all axes."""
    yield from _along("reductions", cache, shapes, axes, dtypes, names)


def softmax(
    cache: str, shapes: Shapes, axes: Sequence[str] = ("last",), dtypes: Names = None, names: Names = None
) -> Iterator[Workload]:
    """softmax, log_softmax and logsumexp along an axis."""
    yield from _along("softmax", cache, shapes, axes, dtypes, names)


def scans(
    cache: str, shapes: Shapes, axes: Sequence[str] = ("last",), dtypes: Names = None, names: Names = None
) -> Iterator[Workload]:
    """Every scan along an axis."""
    yield from _along("scans", cache, shapes, axes, dtypes, names)


def _along(
    wanted: str, cache: str, shapes: Shapes, axes: Sequence[str], dtypes: Names, names: Names
) -> Iterator[Workload]:
    for spec in ops(wanted, names):
        for dtype in ["bool"] if spec.name in ("any", "all") and dtypes is None else _takes(spec, dtypes):
            values = REDUCED.get(spec.name, {}).get(TABLE[dtype].kind, "normal")
            for shape in shapes:
                operand = Operand(tuple(shape), dtype, values=values)
                for axis in axes:
                    yield _case(f"{_by(shape)}/{axis}", spec.name, dtype, cache, [operand], {"axis": SUBSCRIPTS[axis]})


def matmul(cache: str, shapes: Shapes, dtypes: Sequence[str], layouts: Sequence[str] = ("NN",)) -> Iterator[Workload]:
    """Products of (…, m, k) and (…, k, n), given as […, m, n, k]; N: row-major, T: a transposed view. int8 gives
    int32."""
    for *batch, m, n, k in shapes:
        for dtype in dtypes:
            given = {"dtype": "int32"} if dtype == "int8" else {}
            for layout in layouts:
                lie = ["transposed" if side == "T" else "row-major" for side in layout]
                operands = [Operand((*batch, m, k), dtype, lie[0]), Operand((*batch, k, n), dtype, lie[1])]
                yield _case(f"{_by([*batch, m, n, k])}/{layout}", "matmul", dtype, cache, operands, given)


def linear(
    cache: str, shapes: Shapes, dtypes: Sequence[str], activations: Sequence[str] = ("gelu",)
) -> Iterator[Workload]:
    """Product, bias and activation in one call, given as [rows, features out, features in]."""
    for rows, outputs, inputs in shapes:
        for dtype in dtypes:
            for activation in activations:
                operands = [Operand(shape, dtype) for shape in ((rows, inputs), (outputs, inputs), (outputs,))]
                what = f"{_by([rows, outputs, inputs])}/{activation}"
                yield _case(what, "linear", dtype, cache, operands, {"activation": activation})


def compositions(cache: str, shapes: Shapes, dtypes: Names = None, names: Names = None) -> Iterator[Workload]:
    """Composed functions, with operands of or after a shape of two axes."""
    yield from _made("compositions", composed.OPERANDS, cache, shapes, dtypes, names)


def arrangements(cache: str, shapes: Shapes, dtypes: Names = None, names: Names = None) -> Iterator[Workload]:
    """Functions that move, select, order or find elements, with operands of or after a shape of two axes."""
    yield from _made("arrangements", arranged.OPERANDS, cache, shapes, dtypes, names)


def _made(
    wanted: str,
    makers: Mapping[str, Callable[..., composed.Arguments]],
    cache: str,
    shapes: Shapes,
    dtypes: Names,
    names: Names,
) -> Iterator[Workload]:
    for spec in ops(wanted, names):
        for dtype in _takes(spec, dtypes):
            for shape in shapes:
                operands, given = makers[spec.name](tuple(shape), dtype)
                yield _case(_by(shape), spec.name, dtype, cache, operands, given)


def others(cache: str, shapes: Shapes, dtypes: Names = None) -> Iterator[Workload]:
    """Ops that no other sweep knows, on operands of one shape."""
    for spec in ops("others"):
        for dtype in _takes(spec, dtypes):
            for shape in shapes:
                operands = [Operand(tuple(shape), dtype) for _ in spec.arguments]
                yield _case(_by(shape), spec.name, dtype, cache, operands)


FAMILIES: dict[str, Callable[..., Iterator[Workload]]] = {
    f.__name__: f
    for f in (pointwise, casts, reductions, softmax, scans, matmul, linear, compositions, arrangements, others)
}
