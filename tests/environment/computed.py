"""What accel computes of operands that every environment changes something of: bytes by name, to be equal in all.

As a script: computes them in a process that imports accel, starts its threads and makes its constants in a foreign
environment, and prints their digests.

python computed.py ENVIRONMENT FOLDER DEVICE...
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

FRACTION = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
NUMPY = {name: np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name) for name in FRACTION}
FEW = ("multiply", "log", "equal", "sum", "matmul")

SHAPE = (6, 802)
CHANNELS = ((6,),) * 4
COMPOSED: dict[str, tuple[tuple[tuple[int, ...], ...], list[dict[str, Any]]]] = {
    **dict.fromkeys(
        ("elu", "celu", "leaky_relu", "rrelu", "hardtanh", "relu6", "softplus", "softshrink", "hardshrink"),
        ((SHAPE,), [{}]),
    ),
    "roll": ((SHAPE,), [{"shift": 3}, {"shift": -2, "axis": 0}]),
    "pad": ((SHAPE,), [{"pad_width": 1}, {"pad_width": 2, "mode": "reflect"}]),
    **{
        f"{kind}_pool{axes}d": (((2, 3, *(90, 13, 9)[axes - 1 : axes] * axes),), [{"kernel_size": 3, "padding": 1}])
        for kind in ("max", "avg")
        for axes in (1, 2, 3)
    },
    **{
        f"adaptive_{kind}_pool{axes}d": (((2, 3, *(90, 13, 9)[axes - 1 : axes] * axes),), [{"output_size": 4}])
        for kind in ("max", "avg")
        for axes in (1, 2, 3)
    },
    "interpolate": (((2, 3, 13, 9),), [{"size": 16, "mode": "bilinear"}, {"scale_factor": 1.5, "mode": "bicubic"}]),
    "grid_sample": (((2, 3, 13, 9), (2, 11, 7, 2)), [{}, {"mode": "bicubic", "padding_mode": "reflection"}]),
    "affine_grid": (((2, 2, 3),), [{"size": (2, 1, 13, 9)}]),
    "pixel_shuffle": (((2, 8, 6, 6),), [{"upscale_factor": 2}]),
    "pixel_unshuffle": (((2, 8, 6, 6),), [{"downscale_factor": 2}]),
    "channel_shuffle": (((2, 8, 6, 6),), [{"groups": 2}]),
    "unfold": (((2, 8, 6, 6),), [{"kernel_size": 3}]),
    "fold": (((2, 36, 16),), [{"output_size": (6, 6), "kernel_size": 3}]),
    "prelu": ((SHAPE, (802,)), [{}]),
    "threshold": ((SHAPE,), [{"threshold": 0.1, "value": 1e-39}]),
    "softcap": ((SHAPE,), [{"cap": 0.7}]),
    **dict.fromkeys(("var", "std", "var_mean", "vector_norm"), ((SHAPE,), [{"axis": 0}, {"axis": 1}])),
    "count_nonzero": ((SHAPE,), [{}, {"axis": 1}]),
    "dynamic_quantize": ((SHAPE,), [{}, {"symmetric": False}]),
    **dict.fromkeys(("cummax", "cummin"), ((SHAPE,), [{"dim": 1}])),
    "topk": ((SHAPE,), [{"k": 3}, {"k": 2, "largest": False}]),
    "route": ((SHAPE,), [{"k": 3}, {"k": 3, "scores": "sigmoid"}]),
    "isin": ((SHAPE, (4, 7)), [{}, {"invert": True}]),
    **dict.fromkeys(("softmin", "normalize", "glu", "swiglu", "geglu", "reglu"), ((SHAPE,), [{"axis": 1}])),
    **dict.fromkeys(("nansum", "nanprod", "nanmax", "nanmin"), ((SHAPE,), [{"axis": 1}])),
    **dict.fromkeys(("average", "median", "nanmedian", "ptp", "trapezoid"), ((SHAPE,), [{"axis": 1}])),
    **dict.fromkeys(("cov", "corrcoef"), ((SHAPE,), [{}])),
    "cross": (((267, 3), (267, 3)), [{}]),
    "interp": ((SHAPE, (802,), (802,)), [{}]),
    "matrix_norm": ((SHAPE,), [{}, {"ord": 1}]),
    "quantile": ((SHAPE,), [{"q": (0.1, 0.7), "axis": 1}]),
    "allclose": ((SHAPE, SHAPE), [{}]),
    **dict.fromkeys(("nanargmax", "nanargmin", "nanmean", "nanvar", "nanstd"), ((SHAPE,), [{"axis": 1}])),
    "cosine_similarity": ((SHAPE, SHAPE), [{"axis": 1}]),
    "multi_head_attention": (
        ((2, 9, 24), (2, 70, 24), (2, 70, 24), (72, 24), (72,), (24, 24), (24,)),
        [{"num_heads": 3}],
    ),
    "rotary_embedding": ((SHAPE, (802 // 2,), (802 // 2,)), [{}, {"interleaved": True}]),
    "layer_norm": ((SHAPE, (802,), (802,), SHAPE), [{"normalized_shape": (802,)}]),
    "rms_norm": ((SHAPE, (802,), SHAPE), [{"normalized_shape": (802,)}]),
    "group_norm": (((2, 6, 401), (6,), (6,), (2, 6, 401)), [{"num_groups": 3}]),
    **dict.fromkeys(
        ("batch_norm_inference", "batch_norm_training", "instance_norm_training"),
        (((2, 6, 401), *CHANNELS, (2, 6, 401)), [{}]),
    ),
}
"""Of composed ops: the operands' shapes, and the keywords of each call."""

FACTORISATIONS = ("cholesky", "solve", "inv", "det", "qr", "slogdet")
SPECTRAL = ("svd", "svdvals", "eigh", "eigvalsh", "pinv")
"""Whose operands are square matrices with a large diagonal."""
ELEMENTWISE = ("beta", "betaln", "frexp", "isclose", "lcm", "lerp", "nan_to_num")
"""Composed ops whose operands have one shape and dtype."""


def floats(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers of both signs: most about 1, some subnormal, some next to the smallest normal one. Made as integers."""
    rng, fraction, size = np.random.default_rng(seed), FRACTION[dtype], 8 * NUMPY[dtype].itemsize
    bias = (1 << (size - fraction - 2)) - 1
    kind = rng.integers(0, 8, shape)
    exponent = np.select([kind == 0, kind == 1], [0, rng.integers(1, 5, shape)], bias + rng.integers(-3, 4, shape))
    bits = rng.integers(0, 2, shape) << (size - 1) | exponent << fraction | rng.integers(0, 1 << fraction, shape)
    return bits.astype(f"u{size // 8}").view(NUMPY[dtype])


def elements(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    if dtype in FRACTION:
        return floats(dtype, shape, seed)
    if dtype == "bool":
        return np.random.default_rng(seed).integers(0, 2, shape).astype(bool)
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def in_order(x: np.ndarray) -> np.ndarray:
    """Sorted by bits, as comparisons of subnormal numbers depend on the environment."""
    if x.dtype.kind in "biu":
        return np.sort(x)
    bits = x.view(f"i{x.itemsize}").astype(np.int64)
    least = -(2 ** (8 * x.itemsize - 1))
    return x[np.argsort(np.where(bits < 0, least - bits, bits), kind="stable")]


def operands(spec: Any, dtype: str) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Of calls of an op, and the keywords of each."""

    if spec.name == "copy":
        return [elements(dtype, (3, 401), 0)], [{}]
    if spec.name == "astype":
        return [elements(dtype, (3, 401), 0)], [{"dtype": to} for to in (*FRACTION, "int32", "bool")]
    if spec.primitive == "pointwise" or spec.name in ELEMENTWISE:
        made = [elements(dtype, (3, 401), seed) for seed in range(len(spec.arguments))]
        if spec.name == "where":
            made[0] = elements("bool", (3, 401), 9)
        return made, [{}]
    if spec.name in ("matmul", "linear"):
        made = [elements(dtype, (13, 300), 0), elements(dtype, (300, 17), 1)]
        if spec.name == "matmul":
            return made, [{}]
        calls = [{}, {"activation": "gelu"}] if dtype in FRACTION else [{}]
        return [made[0], made[1].T.copy(), elements(dtype, (17,), 2)], calls
    if spec.name == "grouped_matmul":
        numbers = np.array([2, 4, 7])  # of rows, and as ends
        return [elements(dtype, (13, 300), 0), elements(dtype, (3, 300, 17), 1), numbers], [{}]
    if spec.name in ("int8_matmul", "scaled_int8_matmul"):
        made = [elements(dtype, (13, 300), 0), elements("int8", (300, 17), 1)]
        scales = [elements("float32", (13, 1), 2), elements("float32", (17,), 3)]
        return (made, [{}]) if spec.name == "int8_matmul" else ([*made, *scales], [{}, {"dtype": "float16"}])
    if spec.primitive in ("reduce", "mean", "softmax", "log_softmax", "logsumexp"):
        return [elements(dtype, (3, 5000), 0)], [{"axis": 0}, {"axis": 1}]
    if "target" in spec.arguments:
        if spec.name in ("cross_entropy", "nll_loss"):
            return [elements(dtype, (3, 401), 0), np.array([0, 200, 400])], [{}, {"reduction": "none"}]
        arity = len([name for name in spec.arguments if "weight" not in name])
        return [elements(dtype, (3, 401), seed) for seed in range(arity)], [{}, {"reduction": "none"}]
    if spec.name in ("segment_max", "segment_mean", "segment_min", "segment_sum"):
        return [elements(dtype, (300, 41), 0), np.arange(300) % 7], [{"num_segments": 8}]
    if spec.name == "embedding_bag":
        return [np.arange(300).reshape(30, 10) % 7, elements(dtype, (7, 41), 0)], [{"mode": "sum"}, {"mode": "max"}]
    if spec.name in COMPOSED:
        shapes, calls = COMPOSED[spec.name]
        made = [elements(dtype, shape, seed) for seed, shape in enumerate(shapes)]
        return [abs(x) if name == "running_var" else x for name, x in zip(spec.arguments, made, strict=False)], calls
    if "conv" in spec.name:
        axes = int(spec.name[-2]) if spec.name[-1] == "d" else 0
        if not axes:  # the primitive
            made = [elements(dtype, (2, 1, 5, 40), 0), elements(dtype, (1, 6, 5, 3), 1)]
            return made, [{"low": (1,), "high": (1,)}]
        made = [elements(dtype, (2, 4, *(7,) * axes), 0), elements(dtype, (4, 4, *(3,) * axes), 1)]
        return [*made, elements(dtype, (4,), 2)], [{}, {"stride": 2, "padding": 1}]
    if spec.name in ("attention", "scaled_dot_product_attention"):
        from accel.ops.parameters import Attention  # accel is imported in the environment

        made = [elements(dtype, (1, 2, 70, 16), seed) for seed in range(3)]
        if spec.name == "attention":
            return made, [{"params": Attention(0.25)}, {"params": Attention(0.25, softcap=2.0, after=0)}]
        return made, [{}, {"is_causal": True}]
    if spec.primitive in ("scan", "sort"):
        return [elements(dtype, (3, 5000), 0)], [{"axis": 0}, {"axis": 1}]
    if spec.name == "searchsorted":
        return [in_order(elements(dtype, (401,), 0)), elements(dtype, (3, 401), 1)], [{}, {"side": "right"}]
    if spec.primitive == "compact":
        mask = elements("bool", (3 * 4096,), 0)
        counts = mask.reshape(3, 4096).sum(1)
        return [mask, counts.cumsum() - counts], [{"count": int(counts.sum())}]
    if spec.primitive == "gather":
        x, positions = elements(dtype, (3, 401), 0), np.array([[400, -1, 7]])
        if spec.name == "gather":
            return [x, positions], [{"walks": (0, -1)}]
        return [x, positions], [{"axis": 1}]
    if spec.primitive == "scatter":
        x, source = elements(dtype, (3, 401), 0), elements(dtype, (3, 300), 1)
        if spec.name == "index_add":
            return [x, np.arange(300) % 7, source], [{"axis": 1}]
        return [x, np.arange(900).reshape(3, 300) % 7, source], [{"axis": 1}]
    if spec.name in SPECTRAL:
        x = elements(dtype, (9, 9), 0)
        x[np.arange(9), np.arange(9)] = 2 ** np.arange(9)
        return [x, np.full((), 0.25, x.dtype)] if spec.name == "pinv" else [x], [{}]
    if spec.name in FACTORISATIONS:
        x = elements(dtype, (70, 70), 0)
        x[np.arange(70), np.arange(70)] = 2**14
        return [x, elements(dtype, (70, 5), 1)] if spec.name == "solve" else [x], [{}]
    raise NotImplementedError(f"{spec.name}: no operands are written down here for its primitive, {spec.primitive}")


def by_name(spec: Any, arrays: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Operands in their places, and those by name before which an op may take something else."""
    nameless = [p.name for p in inspect.signature(spec.function).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    count = max(1, sum(name in nameless for name in spec.arguments))
    first = arrays[:count] if spec.name in COMPOSED or spec.name == "index_add" else arrays
    return first, dict(zip(spec.arguments[len(first) :], arrays[len(first) :], strict=False))


def several(result: Any) -> list[np.ndarray]:
    """The results of an op, of which it may have more than one."""
    return [np.asarray(each) for each in (result if isinstance(result, tuple) else (result,))]


def of_ops(device: Any, names: Any = None, dtypes: Any = None) -> Iterator[tuple[str, np.ndarray]]:
    """The results of every op and dtype, or of those named."""
    import accel
    from accel.registry import OPS

    for name in OPS if names is None else names:
        spec = OPS[name]
        for dtype in spec.dtypes:
            if spec.namespace != "internal" and (dtypes is None or dtype.name in dtypes):
                arrays, calls = operands(spec, dtype.name)
                arrays = [accel.asarray(x, device=device, copy=True) for x in arrays]
                for keywords in calls:
                    last = [keywords["dtype"]] if name == "astype" else []  # which takes it by position only
                    first, rest = by_name(spec, arrays)
                    result = spec.function(*first, *last, **rest, **({} if last else keywords))
                    for i, each in enumerate(several(result)):
                        yield f"{name} {dtype} {keywords} {i}", each


def of_the_host() -> Iterator[tuple[str, Any]]:
    """Constants, ranges and what leaves arrays, and results of several threads."""
    import accel

    small = floats("float32", (64,), 3)[:8]
    tiny = np.array([0x000AE398, 0x80000001], np.uint32).view(np.float32)  # 1e-39, and the smallest number, negative
    x = accel.asarray(tiny, device="cpu")
    for dtype in FRACTION:
        for i, value in enumerate((0.0, 0.1, 1e-39, 5e-324, 1 / 3, 2**53 + 1, 2**24 + 1, 2**63 - 1)):
            yield f"full {dtype} {i}", np.asarray(accel.full(3, value, dtype=dtype, device="cpu"))
            yield f"asarray {dtype} {i}", np.asarray(accel.asarray([value, value], dtype=dtype, device="cpu"))
            beside = accel.add(accel.asarray(floats(dtype, (9,), 4), device="cpu"), value)
            yield f"beside {dtype} {i}", np.asarray(beside)
        yield f"linspace {dtype}", np.asarray(accel.linspace(0, 1, 50, dtype=dtype, device="cpu"))
        yield f"arange {dtype}", np.asarray(accel.arange(0, 1, 0.07, dtype=dtype, device="cpu"))
        info = accel.finfo(accel.asarray(floats(dtype, (2,), 1), device="cpu"))
        yield f"finfo {dtype}", " ".join(x.hex() for x in (info.eps, info.max, info.min, info.smallest_normal))
    yield "NumPy scalars", np.asarray(accel.asarray([tiny[0], np.float64(1)], device="cpu"))
    yield "NumPy scalar", np.asarray(accel.full(2, tiny[0], dtype="float64", device="cpu"))
    yield "NumPy scalar beside", np.asarray(accel.add(accel.asarray(small, device="cpu"), tiny[0]))
    smallest = accel.asarray(np.array([1], np.uint64).view(np.float64), device="cpu")
    yield "items", f"{x[0].item().hex()} {float(x[1]).hex()} {bool(x[0])} {bool(smallest)}"
    yield "text", repr(x)
    yield "__array__", np.asarray(x, np.float64)
    yield "set", np.asarray(_set(accel.asarray(small.copy(), device="cpu"), 1e-39))
    for dtype in ("bool", "float32", "float64", "int64"):
        for i, value in enumerate((5e-324, 1e-39, 0.1, 1 / 3, 2**24 + 1, -2.9)):
            stored = accel.zeros(3, dtype=dtype, device="cpu")
            stored[1] = value  # by the short way
            yield f"stored {dtype} {i}", np.asarray(stored)
    integers = accel.zeros(3, dtype="int64", device="cpu")
    yield "membership", f"{5e-324 in integers} {0 in integers} {1e-39 in x} {0.1 in accel.full(2, 0.1, device='cpu')}"
    yield "format", f"{smallest[0]:.3e} {accel.full((), 0.1, dtype='float64', device='cpu'):.20f}"
    for n in (56, 62, 103):  # lengths of butterflies, of products and of a convolution, whose tables are computed here
        for dtype in ("float32", "float64"):
            wave = accel.asarray(floats(dtype, (n,), n), device="cpu")
            yield f"fft {n} {dtype}", np.asarray(accel.fft.fft(wave, norm="ortho"))
            yield f"irfft {n} {dtype}", np.asarray(accel.fft.irfft(wave, n=n))
    yield "fftfreq", np.asarray(accel.fft.fftfreq(7, d=0.3, dtype="float64", device="cpu"))
    long = np.tile(floats("float32", (4096,), 5), 1 << 8)
    with accel.config(num_threads=3):
        for _ in range(3):
            yield "threads: product", np.asarray(accel.multiply(accel.asarray(long, device="cpu"), 0.01))
            yield "threads: sum", np.asarray(accel.sum(accel.asarray(long.reshape(64, -1), device="cpu"), axis=1))


def _set(x: Any, value: float) -> Any:
    x[1:3] = value
    return x


def control_of_numpy() -> np.ndarray:
    """What NumPy computes itself, which every foreign environment changes."""
    a, b = floats("float32", (999,), 0), floats("float32", (999,), 1)
    with np.errstate(all="ignore"):
        return a * b


def literals() -> str:
    """Of accel's source, as the compiler of Python made them."""
    from accel.scalar import coefficients

    rows = [row for name, row in sorted(vars(coefficients).items()) if name.isupper()]
    return " ".join(x.hex() for row in rows for dtype in sorted(row) for x in np.ravel(np.array(row[dtype])).tolist())


def results(devices: list[str]) -> dict[str, str]:
    """Digests by name."""
    import hashlib

    import accel

    found: dict[str, str] = {}
    for device in devices:
        every = device == "cpu"
        made = of_ops(accel.device(device), *(() if every else (FEW, ("float32",))))
        for name, value in (*made, *(of_the_host() if every else ())):
            content = value.encode() if isinstance(value, str) else value.tobytes()
            key = f"{device}: {name}"
            digest = hashlib.sha256(content).hexdigest()
            assert found.setdefault(key, digest) == digest, f"{key}: two results of one call"
    return found


def main(environment: str, folder: str, *devices: str) -> None:
    import environments

    inherited = environments.control()
    with environments.foreign(environment):
        before = environments.control()
        assert before != inherited
        sys.pycache_prefix = folder  # as if accel were just installed, its modules are compiled now
        found = results(list(devices))
        found["literals"] = literals()
        found["control"] = control_of_numpy().tobytes().hex()
        assert environments.control() == before
        text = json.dumps(found)
    print(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
