"""`accel explain` for every op of the table, with no memory of the operands' size."""

from __future__ import annotations

import json

import numpy as np
import pytest

import accel
from accel import registry
from accel.explain import explain_layouts

PUBLIC = sorted(name for name, spec in registry.OPS.items() if spec.namespace != "internal")

ARGUMENTS = {
    "lerp": ("--shape", "5x7,5x7,5x7"),
    "where": ("--shape", "5x7,5x7,-", "--dtype", "bool,float32,float32"),
    "matmul": ("--shape", "5x7,7x3"),
    "linear": ("--shape", "5x7,3x7,3", "activation=gelu"),
    "clip": ("--shape", "5x7", "min=0.0", "max=1.0"),
    "astype": ("--shape", "5x7", "dtype=float16"),
    **dict.fromkeys(("conv1d", "conv_transpose1d"), ("--shape", "2x4x9,4x4x3,4", "padding=1")),
    **dict.fromkeys(("conv2d", "conv_transpose2d"), ("--shape", "2x4x9x9,4x4x3x3,4", "stride=(2,1)")),
    **dict.fromkeys(
        ("conv3d", "conv_transpose3d"),
        (
            "--shape",
            "2x4x5x5x5,4x4x3x3x3,4",
        ),
    ),
    "interp": ("--shape", "5x7,9,9"),
    "quantile": ("--shape", "5x7", "q=(0.25,0.75)", "axis=1"),
    "softmax": ("--shape", "5x7", "axis=0"),
    "sum": ("--shape", "5x7", "axis=(0,1)", "keepdims=True"),
    "cross": ("--shape", "5x3,5x3"),
    "cross_entropy": ("--shape", "5x7,5", "--dtype", "float32,int64", "label_smoothing=0.1"),
    "nll_loss": ("--shape", "5x7,5", "--dtype", "float32,int64"),
    "gaussian_nll_loss": ("--shape", "5x7,5x7,5"),
    "margin_ranking_loss": ("--shape", "5x7,5x7,5x7"),
    **dict.fromkeys(("layer_norm", "rms_norm"), ("--shape", "5x7", "normalized_shape=(7,)")),
    "group_norm": ("--shape", "5x8", "num_groups=2"),
    "instance_norm_training": ("--shape", "5x4x6"),
    "batch_norm_inference": ("--shape", "5x4,4,4"),
    "multi_head_attention": ("--shape", "2x5x8,2x7x8,2x7x8,24x8,24,8x8,8", "num_heads=2"),
    "scaled_dot_product_attention": ("--shape", "2x5x8,2x7x8,2x7x3", "is_causal=True"),
    "roll": ("--shape", "5x7", "shift=2"),
    "pad": ("--shape", "5x7", "pad_width=1"),
    **{
        f"{kind}_pool{axes}d": ("--shape", "2x4" + "x6" * axes, "kernel_size=2")
        for kind in ("max", "avg")
        for axes in (1, 2, 3)
    },
    **{
        f"adaptive_{kind}_pool{axes}d": ("--shape", "2x4" + "x6" * axes, "output_size=4")
        for kind in ("max", "avg")
        for axes in (1, 2, 3)
    },
    "interpolate": ("--shape", "2x4x6x6", "scale_factor=2", "mode=bilinear"),
    "grid_sample": ("--shape", "2x4x6x6,2x5x3x2", "mode=bicubic"),
    "affine_grid": ("--shape", "2x2x3", "size=(2,1,5,4)"),
    "pixel_shuffle": ("--shape", "2x4x6x6", "upscale_factor=2"),
    "pixel_unshuffle": ("--shape", "2x4x6x6", "downscale_factor=2"),
    "channel_shuffle": ("--shape", "2x4x6x6", "groups=2"),
    "unfold": ("--shape", "2x4x6x6", "kernel_size=3"),
    "fold": ("--shape", "2x36x16", "output_size=(6,6)", "kernel_size=3"),
    "prelu": ("--shape", "5x7,7"),
    "softcap": ("--shape", "5x7", "cap=30.0"),
    "threshold": ("--shape", "5x7", "threshold=0.5", "value=0.0"),
    "glu": ("--shape", "5x8"),
    **dict.fromkeys(
        ("cumulative_sum", "cumulative_prod", "cumulative_max", "cumulative_min", "logcumsumexp"),
        ("--shape", "5x7", "axis=1"),
    ),
    **dict.fromkeys(("cummax", "cummin"), ("--shape", "5x7", "dim=1")),
    "topk": ("--shape", "5x7", "k=3"),
    "isin": ("--shape", "5x7,4"),
    "searchsorted": ("--shape", "7,5x7"),
    "index_add": ("--shape", "5x7,4,5x4", "--dtype", "float32,int64,float32", "axis=1"),
    "put_along_axis": ("--shape", "5x7,5x4,4", "--dtype", "float32,int64,float32"),
    "rotary_embedding": ("--shape", "5x8,5x4,5x4"),
    **dict.fromkeys(
        ("segment_max", "segment_mean", "segment_min", "segment_sum"),
        ("--shape", "5x7,5", "--dtype", "float32,int64", "num_segments=3"),
    ),
    "embedding_bag": ("--shape", "3x4,5x7", "--dtype", "int64,float32"),
    "int8_matmul": ("--shape", "5x7,7x3", "--dtype", "uint8,int8"),
    "route": ("--shape", "5x7", "k=2"),
    "scaled_int8_matmul": ("--shape", "5x7,7x3,5x1,3", "--dtype", "int8,int8,float32,float32"),
    "take": ("--shape", "5x7,4", "--dtype", "float32,int64", "axis=1"),
    "take_along_axis": ("--shape", "5x7,5x4", "--dtype", "float32,int64"),
    **dict.fromkeys(("cholesky", "det", "inv", "slogdet"), ("--shape", "70x70")),
    **dict.fromkeys(("eigh", "eigvalsh"), ("--shape", "9x9")),
    "pinv": ("--shape", "3x5x7,3"),
    "solve": ("--shape", "70x70,70x3"),
    "grouped_matmul": ("--shape", "5x7,2x7x3,2", "--dtype", "float32,float32,int64"),
}
"""Arguments of the ops that take more than operands of one shape."""


def arguments(op: str) -> tuple[str, ...]:
    if op in ARGUMENTS:
        return ARGUMENTS[op]
    spec = registry.OPS[op]
    dtype = "float32" if accel.float32 in spec.dtypes else "int32" if accel.int32 in spec.dtypes else "bool"
    try:
        explain_layouts(op, [(5, 7)], [accel.float32], accel.device("cpu"))
    except accel.DtypeError:
        pass
    except accel.AccelError:
        return ("--shape", "5x7,5x7", "--dtype", dtype)
    return ("--shape", "5x7", "--dtype", dtype)


@pytest.mark.parametrize("op", PUBLIC)
def test_every_op(op, here):
    code, out, err = here("explain", op, *arguments(op), "--device", "cpu", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["op"] == op
    for call in report["calls"]:
        served = [c for c in call["candidates"] if c["refusal"] is None]
        assert served, call
    last = report["calls"][-1]["candidates"][0]
    if last["launches"]:
        assert all(" by cpu." in line for line in last["launches"]), last
    else:
        assert last["what"].startswith("cpu.")
        assert last["source"]


def test_it_says_what_explain_says(here):
    a, b = np.ones((31, 17), np.float64), np.ones((17, 5), np.float64)
    on_cpu = [accel.asarray(x, device="cpu") for x in (a, b)]
    code, out, _ = here("explain", "matmul", "--shape", "31x17,17x5", "--dtype", "float64", "--device", "cpu")
    assert code == 0
    assert out == f"{accel.explain('matmul', *on_cpu)}\n"


def test_the_launches_of_a_composition(here):
    code, out, _ = here("explain", "layer_norm", "--shape", "64x1000", "--device", "cpu", "normalized_shape=(1000,)")
    assert code == 0
    assert "runs compiled composition\n         row by cpu.row: sum[1] divide" in out


def test_a_decomposition_is_followed(here):
    with accel.config(fusion="off"):
        code, out, _ = here("explain", "softmax", "--shape", "64x1000", "--device", "cpu", "axis=0")
    assert code == 0
    assert "runs decomposition into other ops" in out
    for call in ("max(float32[64, 1000]) on cpu", "sum(float32[64, 1000]) on cpu"):
        assert call in out


def test_operands_larger_than_any_memory(here):
    side = "4194304x4194304"  # 64 TiB each
    code, out, _ = here("explain", "matmul", "--shape", f"{side},{side}", "--device", "cpu")
    assert code == 0
    assert "runs cpu.matmul" in out


def test_the_default_device(here):
    _, out, _ = here("explain", "add", "--shape", "3,3")
    assert out.startswith(f"add(float32[3], float32[3]) on {accel.default_device()}\n")


def test_another_device(here):
    _, out, _ = here("explain", "add", "--shape", "3,-", "--device", "null:0")
    assert "runs null.pointwise" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("add", "--shape", "3x,3"), "'3x' is not a shape"),
        (("add", "--shape", "3x-1,3"), "'3x-1' is not a shape"),
        (("add", "--shape", "3,3", "--dtype", "float12"), "--dtype: 'float12' is not a dtype of accel"),
        (("add", "--shape", "3,3", "--dtype", "int8,int8,int8"), "3 dtypes for 2 operands"),
        (("add", "--shape", "3"), "missing a required argument: 'x2'"),
        (("add", "--shape", "3,4"), "shapes (3,), (4,) do not broadcast"),
        (("sum", "--shape", "3", "axis"), "'axis' is not keyword=value"),
        (("sum", "--shape", "3", "axes=0"), "unexpected keyword argument 'axes'"),
        (("sum", "--shape", "3", "axis=1"), "axis: 1 is out of range"),
        (("exp", "--shape", "3", "--dtype", "int32"), "exp: takes float dtypes"),
        (("add", "--shape", "3,3", "--device", "opencl:nothing-like-it"), "opencl"),
        (("pointwise", "--shape", "3"), "unknown op 'pointwise'"),
    ],
)
def test_bad_arguments(words, expected, here):
    code, out, err = here("explain", *words)
    assert (code, out) == (2, "")
    assert expected in err
    assert "Traceback" not in err
