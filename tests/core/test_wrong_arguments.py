"""Arguments of the wrong kind, for every parameter of every public function: an error that names it, in one line."""

from __future__ import annotations

import inspect
import io
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import accel
from accel.errors import LINE

X = accel.asarray(np.arange(6, dtype=np.float32).reshape(2, 3), device="cpu")
IMAGE = accel.asarray(np.arange(12, dtype=np.float32).reshape(2, 2, 3), device="cpu")
POOLS = ("max", "avg", "adaptive_max", "adaptive_avg")
INDEX = accel.asarray(np.array([[0, 2]]), device="cpu")
SPACES = {n: accel.asarray(np.ones((2, 4, *(2,) * n), np.float32), device="cpu") for n in (1, 2, 3)}
BYTES = accel.asarray(np.zeros((2, 3), np.int8), device="cpu")
PAIR = accel.asarray(np.arange(2, dtype=np.float32), device="cpu")
OPERANDS = (
    *("x", "x1", "x2", "a", "b", "obj", "weight", "bias", "condition", "out", "which", "fill_value", "min", "max"),
    *("residual", "running_mean", "running_var", "input", "target", "var", "input1", "input2", "pos_weight"),
    *("residual", "running_mean", "running_var", "gate", "indices", "arrays", "prepend", "append", "sorter"),
    *("sinks", "alibi_slopes", "key_starts", "key_lengths", "dropout_key", "block_table"),
    *("query", "key", "cu_seqlens_q", "cu_seqlens_k"),
    *("in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj_weight", "out_proj_bias"),
    *("q_proj_weight", "k_proj_weight", "v_proj_weight", "key_padding_mask", "attn_mask"),
    *("values", "index", "source", "rtol"),
    *("a_scale", "b_scale", "a_zero_point", "b_zero_point", "logits"),
    *("y", "weights", "fweights", "aweights"),
    *("y", "weights", "fweights", "aweights", "xp", "fp", "bins"),
)
"""Parameters that arrays, or scalars without axes, are right for."""

CALLS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "sum", "logsumexp"), (X,)),
    **dict.fromkeys(("softmax", "log_softmax", "tril", "triu", "gelu", "asarray", "from_dlpack"), (X,)),
    **dict.fromkeys(("empty_like", "ones_like", "zeros_like"), (X,)),
    **dict.fromkeys(("empty", "ones", "zeros"), ((2, 3),)),
    "arange": (0, 3, 1),
    "astype": (X, "float32"),
    **dict.fromkeys(("conv1d", "conv_transpose1d"), (IMAGE, IMAGE)),
    "conv2d": (IMAGE[None], IMAGE[None]),
    "conv_transpose2d": (IMAGE[None], IMAGE[:, None]),
    **dict.fromkeys(("conv3d", "conv_transpose3d"), (IMAGE[None, None], IMAGE[None, None, :1])),
    "broadcast_to": (X, (2, 3)),
    "expand_dims": (X, 0),
    "eye": (3, 3),
    "full": ((2, 3), 1.0),
    "full_like": (X, 1.0),
    "isdtype": ("float32", "integral"),
    "linspace": (0, 1, 3),
    "linear": (X, X),
    "matmul": (X, X.T),
    "dequantize": (X.astype(np.int8), X[:, :1]),
    "dynamic_quantize": (X,),
    "grouped_matmul": (X, IMAGE.mT, (1, 1)),
    "quantize": (X,),
    "route": (X, 2),
    "quantized_linear": (X, accel.nn.PackedWeight.quantized(X)),
    "scaled_int8_matmul": (BYTES, BYTES.mT, X[:, :1], X[0, :1]),
    "permute_dims": (X, (1, 0)),
    "reshape": (X, (3, 2)),
    "squeeze": (X[:1], 0),
    **dict.fromkeys(("sort", "argsort", "flip", "unstack", "diff", "diagonal", "trace"), (X,)),
    **dict.fromkeys(("concat", "stack"), ([X, X],)),
    "roll": (X, 1),
    "repeat": (X, 2),
    "tile": (X, 2),
    "moveaxis": (X, 0, 1),
    "tensordot": (X, X),
    "vecdot": (X, X),
    "device": ("cpu",),
    "explain": ("exp", X),
    "meshgrid": (X[0], X[1]),
    **dict.fromkeys(("std", "var", "var_mean", "vector_norm", "softmin", "normalize"), (X,)),
    **dict.fromkeys(("layer_norm", "rms_norm"), (X, (3,))),
    **dict.fromkeys(("batch_norm", "batch_norm_inference"), (IMAGE, PAIR, PAIR)),
    **dict.fromkeys(("batch_norm_training", "instance_norm", "instance_norm_training"), (IMAGE,)),
    "group_norm": (IMAGE, 2),
    "multi_head_attention": (X, X, X, 1, accel.asarray(np.ones((9, 3), np.float32), device="cpu")),
    "scaled_dot_product_attention": (X, X, X),
    "scaled_dot_product_attention_varlen": (*(X[:, None],) * 3, *(accel.asarray(np.array([0, 2]), device="cpu"),) * 2),
    "cosine_similarity": (X, X),
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss", "kl_div"), (X, X)),
    **dict.fromkeys(("binary_cross_entropy", "binary_cross_entropy_with_logits"), (X, X)),
    **dict.fromkeys(("soft_margin_loss", "hinge_embedding_loss"), (X, X)),
    **dict.fromkeys(("gaussian_nll_loss", "margin_ranking_loss"), (X, X, X)),
    **dict.fromkeys(("cross_entropy", "nll_loss"), (X, accel.asarray(np.array([0, 2]), device="cpu"))),
    **dict.fromkeys(("elu", "celu", "leaky_relu", "rrelu", "hardtanh", "softplus", "softshrink", "hardshrink"), (X,)),
    "threshold": (X, 0.5, 0.0),
    "softcap": (X, 30.0),
    **dict.fromkeys(("fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft"), (X,)),
    **dict.fromkeys(("fftshift", "ifftshift"), (X,)),
    **dict.fromkeys(("fftfreq", "rfftfreq"), (4,)),
    "glu": (PAIR,),
    **{f"{kind}_pool{axes}d": (SPACES[axes], 2) for kind in POOLS for axes in (1, 2, 3)},
    "interpolate": (IMAGE[..., None], 2),
    "grid_sample": (SPACES[2], SPACES[2]),
    "affine_grid": (IMAGE[:1], (1, 2, 3, 3)),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"), (SPACES[2], 2)),
    "unfold": (SPACES[2], 2),
    "fold": (SPACES[2][:, :, 0], (2, 3), 2),
    **dict.fromkeys(("swiglu", "geglu", "reglu"), (X, X)),
    **dict.fromkeys(("cumulative_sum", "cumulative_prod", "cumulative_max", "cumulative_min"), (X[0],)),
    "logcumsumexp": (X[0],),
    "index_add": (X, 1, accel.asarray(np.array([0, 2]), device="cpu"), X[:, :2]),
    "gather": (X, 1, INDEX),
    **dict.fromkeys(("scatter", "scatter_add"), (X, 1, INDEX, X)),
    "scatter_reduce": (X, 1, INDEX, X, "sum"),
    "index_select": (X, 1, INDEX[0]),
    "index_copy": (X, 1, INDEX[0], X[:, :2]),
    "index_fill": (X, 1, INDEX[0], 1.0),
    "index_reduce": (X, 1, INDEX[0], X[:, :2], "prod"),
    "masked_fill": (X, X > 1, 1.0),
    "masked_select": (X, X > 1),
    "masked_scatter": (X, X > 1, X),
    "alibi_slopes": (4,),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_alpha_dropout"), (X, 0.0)),
    **{f"dropout{axes}d": (SPACES[axes], 0.0) for axes in (1, 2, 3)},
    "cache_update": (X, X[:1], 0),
    "embedding": (accel.asarray(np.array([0, 1]), device="cpu"), X),
    "embedding_bag": (INDEX // 2, X),
    "one_hot": (accel.asarray(np.array([0, 1]), device="cpu"), 3),
    "rotary_embedding": (X[:, :2], X[:, :1], X[:, :1]),
    **dict.fromkeys(
        ("segment_max", "segment_mean", "segment_min", "segment_sum"),
        (X, accel.asarray(np.array([0, 2]), device="cpu"), 3),
    ),
    "put_along_axis": (X, accel.asarray(np.array([[0, 2]]), device="cpu"), X[:, :2]),
    "take": (X[0], accel.asarray(np.array([0, 2]), device="cpu")),
    "take_along_axis": (X, accel.asarray(np.array([[0, 2]]), device="cpu")),
    **dict.fromkeys(("flip", "unstack", "diff", "diagonal", "trace", "diag", "rot90"), (X,)),
    **dict.fromkeys(("concat", "stack", "hstack", "vstack", "dstack", "column_stack"), ([X, X],)),
    **dict.fromkeys(("roll", "repeat", "tile"), (X, 1)),
    "pad": (X, (1, 1)),
    **dict.fromkeys(("swapaxes", "moveaxis"), (X, 0, 1)),
    **dict.fromkeys(("split", "array_split"), (X, 2)),
    **dict.fromkeys(("sort", "argsort"), (X,)),
    "tri": (3, 3),
    **dict.fromkeys(("cummax", "cummin", "topk"), (X, 1)),
    "count_nonzero": (X,),
    "isin": (X, X),
    "searchsorted": (X[0], X),
    **dict.fromkeys(("nansum", "nanprod", "nanmax", "nanmin", "nanargmax", "nanargmin"), (X,)),
    **dict.fromkeys(("nanmean", "nanvar", "nanstd"), (X,)),
    **dict.fromkeys(("allclose", "array_equal"), (X, X)),
    **dict.fromkeys(("median", "nanmedian"), (X,)),
    **dict.fromkeys(("percentile", "quantile"), (X, 0.5)),
    "bincount": (accel.asarray(np.array([0, 2]), device="cpu"),),
    "convolve": (PAIR, PAIR),
    "digitize": (X, PAIR),
    "histogram": (X,),
    "interp": (X, PAIR, PAIR),
    **dict.fromkeys(("save", "savez", "savez_compressed"), (io.BytesIO(), X)),
    "cross": (X, X),
    "gradient": (X,),
    "matrix_norm": (X,),
    "matrix_power": (X[:, :2], 2),
    **dict.fromkeys(("einsum", "einsum_path"), ("ij,kj", X, X)),
    **dict.fromkeys(("average", "corrcoef", "cov", "ptp", "trapezoid"), (X,)),
    "cholesky": (X @ X.mT,),
    **dict.fromkeys(("matrix_rank", "pinv", "svd"), (X,)),
    "isclose": (X, X),
    "lerp": (X, X, 0.5),
    "nan_to_num": (X,),
    "qr": (X,),
}
"""A call of each function that has a parameter which is no operand."""


def functions() -> dict[str, Any]:
    modules: tuple[ModuleType, ...] = (accel, accel.fft, accel.linalg, accel.nn, accel.special)
    found = {name: getattr(module, name) for module in modules for name in module.__all__}
    return {n: f for n, f in found.items() if callable(f) and not inspect.isclass(f) and n != "config"}


FUNCTIONS = functions()
NO_CALL = {"can_cast", "result_type", "finfo", "iinfo"}  # which take an array for its dtype
NO_CALL |= {"fuse", "grad", "value_and_grad", "vjp", "jvp", "checkpoint"}  # which take a function
NO_CALL |= {"profile"}  # which is a block's: tests/core/test_profile.py
NO_CALL |= {"load"}  # which reads what tests/interop/test_files.py writes


def parameters(name: str) -> list[inspect.Parameter]:
    """Those that no array is right for."""
    every = inspect.signature(FUNCTIONS[name]).parameters.values()
    return [p for p in every if p.name not in OPERANDS and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


PAIRS = [(name, p.name) for name in CALLS for p in parameters(name)]


def values() -> dict[str, Any]:
    wide = np.arange(2000.0).reshape(40, 50)
    own = accel.asarray(wide, device="cpu")
    return {"numpy": wide, "accel": own, "list of arrays": [wide, wide], "dict": {1: wide}}


def called_with(name: str, parameter: str, value: Any) -> None:
    """Calls a function as CALLS says, with a value in the place of one argument."""
    function, arguments, keywords = FUNCTIONS[name], list(CALLS[name]), {}
    for i, p in enumerate(inspect.signature(function).parameters.values()):
        if p.name == parameter:
            if p.kind is p.KEYWORD_ONLY or i > len(arguments):
                keywords[parameter] = value
            else:
                arguments[i : i + 1] = [value]
    with accel.config(device="cpu"):
        function(*arguments, **keywords)


def names(parameter: str, message: str) -> bool:
    """Whether a message names a parameter, or the kind of thing that it is."""
    words = {"from_": "type", "type": "type", "n_rows": "n_rows", "op": "op", "name": "device", "stop": "stop"}
    return words.get(parameter, parameter) in message


@pytest.mark.parametrize("kind", values())
@pytest.mark.parametrize(("name", "parameter"), PAIRS, ids=[f"{name}-{parameter}" for name, parameter in PAIRS])
def test_an_array_in_the_place_of_something_else(name: str, parameter: str, kind: str) -> None:
    with pytest.raises(accel.AccelError) as caught:
        called_with(name, parameter, values()[kind])
    message = str(caught.value)
    assert names(parameter, message), message
    assert "\n" not in message and len(message) < 4 * LINE, message


def test_every_function_is_called() -> None:
    assert {name for name in FUNCTIONS if parameters(name)} - NO_CALL == {name for name in CALLS if parameters(name)}
    for name, arguments in CALLS.items():
        with accel.config(device="cpu"):
            FUNCTIONS[name](*arguments)


REDUCTIONS = (
    *("sum", "prod", "mean", "max", "min", "any", "all", "argmax", "argmin"),
    *("cumulative_sum", "cumulative_prod", "cumulative_max", "cumulative_min", "logcumsumexp"),
)


@pytest.mark.parametrize("name", [*REDUCTIONS, "softmax", "log_softmax", "logsumexp", "squeeze", "expand_dims"])
def test_torchs_keywords_name_the_right_ones(name: str) -> None:
    function = FUNCTIONS[name]
    with pytest.raises(accel.ArgumentError, match=f"{name}: dim: the keyword is axis"):
        function(X, dim=0)
    with pytest.raises(accel.ArgumentError, match=f"{name}: dim: the keyword is axis"):
        function(X, axis=0, dim=0)
    with pytest.raises(TypeError, match=f"{name}.*(nonsense|axis)"):
        function(X, axis=0, nonsense=1)
    assert "dim" not in inspect.signature(function).parameters
    if "keepdims" in inspect.signature(function).parameters:
        with pytest.raises(accel.ArgumentError, match=f"{name}: keepdim: the keyword is keepdims"):
            function(X, keepdim=True)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "squeeze", "expand_dims"])
def test_an_axis_given_twice_is_named(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}.*axis"):
        FUNCTIONS[name](X, 0, axis=0)


def test_signatures_are_what_may_be_given() -> None:
    assert str(inspect.signature(accel.sum)).startswith("(x: 'Any', /, *, axis: 'Axes' = None, dtype: 'Any' = None")
    for name, function in FUNCTIONS.items():
        kinds = {p.kind for p in inspect.signature(function).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds or name in ("explain", "savez", "savez_compressed")


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        *((name, arguments, {}) for name in ("outer", "kron", "cross", "tensordot", "vecdot", "convolve")
          for arguments in ((X, 2.0), (2, X))),
        *(("diff", (X,), {name: 2.0}) for name in ("prepend", "append")),
        ("bincount", (INDEX[0],), {"weights": 0.5}),
        ("histogram", (X,), {"weights": 0.5}),
        ("histogram", (0.5,), {"weights": X}),
        ("gradient", (0.5, X), {}),
        ("einsum_path", ("ij,ij", X, 2.0), {}),
        *(("copy", (X,), {"out": out}) for out in (2, "x", np.zeros(6))),
        *((name, (X,), {"key": np.float32}) for name in ("dropout", "alpha_dropout")),
    ],
)  # fmt: skip
def test_what_is_no_array_in_its_place(name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    with pytest.raises(accel.ArgumentError) as caught:
        FUNCTIONS[name](*arguments, **keywords)
    message = str(caught.value)
    assert name in message and "\n" not in message and len(message) < 4 * LINE, message


FAR = 1 << 62


@pytest.mark.parametrize("far", [FAR, 1 << 45], ids=["no view", "no memory"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((f"adaptive_{kind}_pool{axes}d", (SPACES[axes], 0)) for kind in ("max", "avg") for axes in (1, 2, 3)),
        *(("interpolate", (SPACES[2], 0, None, how)) for how in ("nearest", "bilinear", "bicubic", "area")),
        ("array_split", (X, 0)),
        ("alibi_slopes", (0,)),
        *((f"segment_{kind}", (X, INDEX[0], 0)) for kind in ("max", "mean", "min", "sum")),
    ],
)
def test_sizes_that_no_memory_holds(name: str, arguments: tuple[Any, ...], far: int) -> None:
    with pytest.raises(accel.errors.OutOfMemoryError):
        FUNCTIONS[name](*(x or far if isinstance(x, int) else x for x in arguments))


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_transforms_that_no_memory_holds(name: str) -> None:
    with pytest.raises(accel.errors.OutOfMemoryError):
        FUNCTIONS[name](X, s=(1 << 31, 1 << 31))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_steps_that_no_window_takes(axes: int) -> None:
    """Of one window along an axis, and of windows of one element: strides hold no such steps."""
    x = SPACES[axes]
    for kind in ("max", "avg"):
        pool = FUNCTIONS[f"{kind}_pool{axes}d"]
        assert accel.array_equal(pool(x, 2, FAR), pool(x, 2))
    pool = FUNCTIONS[f"max_pool{axes}d"]
    assert accel.array_equal(pool(x, 1, 1, 0, FAR), x)
    if axes == 2:
        unfold = FUNCTIONS["unfold"]
        assert accel.array_equal(unfold(x, 2, stride=FAR), unfold(x, 2))
        assert accel.array_equal(unfold(x, 1, dilation=FAR), unfold(x, 1))


@pytest.mark.parametrize("name", sorted({*CALLS} - {"save", "savez", "savez_compressed", "from_dlpack"}))
def test_odd_things_are_taken_or_refused(name: str) -> None:
    """In the place of each argument, arrays as well: a result, or an error of accel's own.
    from_dlpack has the standard's."""
    odd = (
        2,
        -1.5,
        1 << 62,
        -(1 << 70),
        float("nan"),
        1j,
        "x",
        None,
        object(),
        (),
        [1, 2],
        np.array("x"),
        np.float32(2),
    )
    for i in range(len(CALLS[name])):
        for value in odd:
            arguments = [*CALLS[name][:i], value, *CALLS[name][i + 1 :]]
            with accel.config(device="cpu"), suppress(accel.AccelError, IndexError):
                FUNCTIONS[name](*arguments)
