"""Other libraries' calls: of the same memory, right, and left out where they are not."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import accel
from accel.bench.cases import compositions, inputs
from accel.bench.cases.case import Operand, Workload, keywords
from accel.bench.cases.workload import op_spec, select
from accel.bench.peers import baselines, clblast, numpy_calls, torch_calls
from accel.registry import OPS

torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")


def case(op: str, operands: list[Operand], **given: Any) -> Workload:
    """A case that no suite has."""
    dtype = operands[-1].dtype if op == "where" else operands[0].dtype
    return Workload(f"test {op}", None, None, None, 1, None, op, dtype, tuple(operands), keywords(given), "warm")


def small(workload: Workload) -> Workload:
    """The same call with short axes; equal lengths stay equal. A multiple of 8 for torch's int8 product."""

    def shorter(n: int) -> int:
        return n if n <= 16 else 24 + 8 * (n % 5)

    def values(x: Operand) -> str:
        most = x.values.removeprefix("below-")
        return f"below-{shorter(int(most))}" if most.isdecimal() else x.values

    operands = [replace(x, shape=tuple(map(shorter, x.shape)), values=values(x)) for x in workload.operands]
    if workload.op == "rotary_embedding":  # a number of the tables for every two features
        operands[0] = replace(operands[0], shape=(*operands[0].shape[:-1], 2 * operands[1].shape[-1]))
    if workload.op == "scaled_dot_product_attention":
        operands[0] = replace(operands[0], shape=(1, 4 * operands[1].shape[1], *operands[0].shape[2:]))
    given = dict(workload.keywords)
    if "normalized_shape" in given:
        given["normalized_shape"] = tuple(map(shorter, given["normalized_shape"]))
    if "num_groups" in given:
        given["num_groups"] = 8
    return replace(workload, operands=tuple(operands), keywords=keywords(given))


CASES = [*select("core"), *(case for case in select("quick") if op_spec(case) is not None)]
EVERY_OP = list({(w.op, w.dtype, w.keywords): small(w) for w in CASES}.values())

# torch has few functions of uint16, uint32 and uint64; NumPy's rint gives floats
UNSIGNED = ("uint16", "uint32", "uint64")

NOT_IN_NUMPY = (
    "rsqrt", "sigmoid", "erf", "gelu", "gelu_tanh", "silu", "hardsigmoid", "hardswish", "logsigmoid", "mish", "selu",
    "softsign", "tanhshrink", "frac", "xlogy", "xlog1py", "entr", "logit", "topk", "cummax", "cummin", "digamma",
    "trigamma",
    "erfc", "erfcx", "erfinv", "gamma", "i0e", "i1", "i1e", "lgamma", "log_ndtr", "ndtr", "ndtri", "rotary_embedding",
    "segment_sum", "conv2d", "scaled_dot_product_attention",
)  # fmt: skip
NOT_IN_TORCH = ("cbrt", "exp10", "bit_count", "gamma", "trigamma")
NOT_OF_HALVES = ("erfcx", "log_ndtr", "ndtri")
"""Functions that torch has for wider dtypes only."""


def judged(
    workload: Workload, operands: list[np.ndarray], calls: Mapping[str, Callable[[], Any]]
) -> tuple[dict[str, Any], list[str]]:
    """Those calls that give accel's dtype and shape and are right, and a note on each other one. Calls each once."""
    kept, notes = {}, []
    for name, call in calls.items():
        try:
            why = baselines.problem(workload, operands, call())
        except Exception as error:  # whatever a library raises for what it lacks
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if why is None:
            kept[name] = call
        else:
            notes.append(f"{name} left out: {why}")
    return kept, notes


def sound(workload: Workload) -> tuple[list[str], list[str]]:
    operands = inputs.arrays(workload, 0)
    with np.errstate(all="ignore"):
        kept, notes = judged(workload, operands, baselines.calls(workload, operands, "cpu", 1))
    return list(kept), notes


@pytest.mark.parametrize("workload", EVERY_OP, ids=lambda w: w.id)
def test_libraries_give_accels_answer_in_accels_dtype(workload: Workload):
    op, dtype = workload.op, workload.dtype
    kept, notes = sound(workload)
    numpy = dtype != "bfloat16" or op == "astype"
    numpy &= op not in NOT_IN_NUMPY and dict(workload.keywords).get("activation") not in NOT_IN_NUMPY
    numpy &= op not in compositions.OPERANDS or op in numpy_calls.SAME_IN_NUMPY
    numpy &= op not in ("matmul", "linear") or dtype in ("float32", "float64")
    integral_round = op == "round" and dtype == "int32"
    halves = op in NOT_OF_HALVES and dtype in ("float16", "bfloat16")
    expected = ["numpy"] * (numpy and not integral_round) + ["torch"] * (
        (dtype not in UNSIGNED or op in ("copy",)) and op not in NOT_IN_TORCH and not halves
    )
    if dtype in UNSIGNED and "torch" in kept:  # bit functions, and what a later torch may have
        kept.remove("torch")
        expected = [name for name in expected if name != "torch"]
    assert kept == expected, notes
    lacking = ["torch left out: NotImplementedError"] if dtype in UNSIGNED or halves else []
    lacking += ["numpy left out: gives float64, accel int32"] if integral_round else []
    assert all(any(note.startswith(start) for start in lacking) for note in notes), notes


def test_operands_are_the_same_memory():
    for dtype, layout in (("float32", "row-major"), ("bfloat16", "transposed"), ("float16", "transposed")):
        workload = case("matmul", [Operand((8, 6), dtype, layout), Operand((6, 4), dtype)])
        operands = inputs.arrays(workload, 0)
        tensors = baselines.calls(workload, operands, "cpu", 1)["torch"].args
        for x, y in zip(operands, tensors, strict=True):
            assert y.data_ptr() == x.ctypes.data and str(y.dtype) == f"torch.{dtype}"
            assert [n * x.itemsize for n in y.stride()] == list(x.strides)


def test_wrong_results_and_failures_are_left_out_with_a_note():
    workload = case("exp", [Operand((300,), "float32")])
    operands = inputs.arrays(workload, 0)
    right = np.exp(operands[0])
    wrong = right.copy()
    wrong[7] = 0

    def fails() -> None:
        raise RuntimeError("no kernel\nand more")

    calls = {
        "right": lambda: right, "wrong": lambda: wrong, "wide": lambda: right.astype(np.float64),
        "short": lambda: right[:-1], "fails": fails, "tensor": lambda: torch.from_numpy(right),
    }  # fmt: skip
    kept, notes = judged(workload, operands, calls)
    assert list(kept) == ["right", "tensor"] and kept["right"] is calls["right"]
    assert notes == [
        f"wrong left out: 1 of 300 compared are wrong; the first is 0.0 and not {np.exp(np.float64(operands[0][7]))}",
        "wide left out: gives float64, accel float32",
        "short left out: gives the shape (299,), accel (300,)",
        "fails left out: RuntimeError: no kernel",
    ]


def test_no_baselines_of_what_accel_has_not():
    missing = replace(select("models")[0], op="attend")
    assert baselines.calls(missing, [], "cpu", 1) == {}


def test_a_new_op_has_none_and_does_no_harm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(OPS, "variance", replace(OPS["mean"], name="variance", primitive="variance"))
    workload = case("variance", [Operand((4, 4), "float32")])
    assert baselines.calls(workload, inputs.arrays(workload, 0), "cpu", 1) == {}


def test_threads_are_torchs():
    workload = case("exp", [Operand((300,), "float32")])
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            baselines.calls(workload, inputs.arrays(workload, 0), "cpu", threads)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


# GPUs


def test_on_a_gpu_the_cpus_libraries_are_no_baselines(monkeypatch: pytest.MonkeyPatch):
    workload = case("matmul", [Operand((8, 8), "bfloat16"), Operand((8, 8), "bfloat16")])
    operands = inputs.arrays(workload, 0)
    monkeypatch.setattr(torch_calls, "gpu", lambda torch: None)
    assert baselines.calls(workload, operands, "gpu", 1) == {}

    waits = []
    monkeypatch.setattr(torch_calls, "gpu", lambda torch: "cpu")  # torch's CPU, as if it were one
    monkeypatch.setattr(torch.cpu, "synchronize", lambda: waits.append(1))
    calls = baselines.calls(workload, operands, "gpu", 1)
    assert list(calls) == ["torch-cpu"]
    assert judged(workload, operands, calls) == (calls, []) and waits == [1]


@pytest.mark.gpu
def test_torch_on_this_machines_gpu():
    kind = torch_calls.gpu(torch)
    if kind is None:
        pytest.skip("torch sees no GPU: accel reaches it in another way")
    workload = case("matmul", [Operand((64, 64), "float32"), Operand((64, 64), "float32", "transposed")])
    operands = inputs.arrays(workload, 0)
    kept, notes = judged(workload, operands, baselines.calls(workload, operands, "gpu", 1))
    assert f"torch-{kind}" in kept, notes


def test_which_gpu_torch_has():
    def has(**found: bool) -> Any:
        return SimpleNamespace(**{k: SimpleNamespace(is_available=lambda v=v: v) for k, v in found.items()})

    assert torch_calls.gpu(has(cuda=True, xpu=True)) == "cuda"
    assert torch_calls.gpu(has(cuda=False, xpu=True)) == "xpu"
    assert torch_calls.gpu(has(cuda=False)) is None


# CLBlast: a stand-in that reads memory as BLAS does, by leading dimensions


class OnDevice:
    """pyopencl.array.Array, as far as it is used here."""

    def __init__(self, values: np.ndarray) -> None:
        assert values.flags.c_contiguous
        self.values, self.shape = values.copy(), values.shape

    def get(self) -> np.ndarray:
        return self.values


def gemm(queue: Any, m: int, n: int, k: int, a: OnDevice, b: OnDevice, c: OnDevice, a_ld: int, b_ld: int, c_ld: int,
         alpha: float = 1.0, beta: float = 0.0, a_transp: bool = False, b_transp: bool = False) -> None:  # fmt: skip
    def matrix(x: OnDevice, rows: int, columns: int, ld: int, turned: bool) -> np.ndarray:
        shape = (columns, rows) if turned else (rows, columns)
        strided = np.lib.stride_tricks.as_strided(x.values, shape, (ld * x.values.itemsize, x.values.itemsize))
        return strided.T if turned else strided

    matrix(c, m, n, c_ld, False)[...] = alpha * matrix(a, m, k, a_ld, a_transp) @ matrix(b, k, n, b_ld, b_transp)


class Module(SimpleNamespace):
    """A module's stand-in: itself alone, as modules are."""

    __hash__, __eq__ = object.__hash__, object.__eq__


@cache
def stand_in() -> tuple[Any, Any]:
    gpu = SimpleNamespace(type=4)
    return Module(
        device_type=SimpleNamespace(CPU=2, GPU=4, ACCELERATOR=8),
        Error=RuntimeError,
        get_platforms=lambda: [SimpleNamespace(get_devices=list), SimpleNamespace(get_devices=lambda: [gpu])],
        Context=lambda devices: SimpleNamespace(devices=devices),
        CommandQueue=lambda context: SimpleNamespace(finish=lambda: None),
        array=SimpleNamespace(
            to_device=lambda queue, x: OnDevice(x), zeros=lambda queue, shape, dtype: OnDevice(np.zeros(shape, dtype))
        ),
    ), SimpleNamespace(gemm=gemm)


@pytest.mark.parametrize("layouts", ["NN", "NT", "TN", "TT"])
def test_clblast_is_told_sizes_and_layouts(monkeypatch: pytest.MonkeyPatch, layouts: str):
    monkeypatch.setattr(clblast, "modules", stand_in)
    monkeypatch.setattr(torch_calls, "gpu", lambda torch: None)
    lie = ["transposed" if side == "T" else "row-major" for side in layouts]
    workload = case("matmul", [Operand((5, 7), "float32", lie[0]), Operand((7, 3), "float32", lie[1])])
    operands = inputs.arrays(workload, 0)
    calls = baselines.calls(workload, operands, "gpu", 1)
    assert list(calls) == ["clblast"]
    assert judged(workload, operands, calls) == (calls, [])


def test_clblast_where_it_cannot_be_used(monkeypatch: pytest.MonkeyPatch):
    square = inputs.arrays(case("matmul", [Operand((4, 4), "float32")] * 2), 0)
    monkeypatch.setitem(sys.modules, "pyclblast", None)
    assert clblast.modules() is None and clblast.gemm(square, "gpu") is None
    monkeypatch.setattr(clblast, "modules", stand_in)
    assert clblast.gemm(square, "gpu") is not None
    assert clblast._device(stand_in()[0], "gpu") is clblast._device(stand_in()[0], "gpu"), "one for the process"
    assert clblast.gemm(square, "cpu") is None, "there is no such device"
    assert clblast.gemm(square, "null") is None
    assert clblast.gemm([x.astype(np.int32) for x in square], "gpu") is None
    assert clblast.gemm([x[None] for x in square], "gpu") is None


def test_operands_that_a_library_cannot_place_leave_it_out(monkeypatch: pytest.MonkeyPatch):
    def gemm(operands: Any, device_kind: str) -> None:
        raise RuntimeError("no such context")

    monkeypatch.setattr(clblast, "gemm", gemm)
    workload = case("matmul", [Operand((4, 4), "float32")] * 2)
    operands = inputs.arrays(workload, 0)
    calls = baselines.calls(workload, operands, "cpu", 1)
    assert {"numpy", "torch", "clblast"} == set(calls)
    with pytest.raises(RuntimeError, match="no such context"):
        calls["clblast"]()


@pytest.mark.parametrize("layouts", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_clblast_on_this_machine(kind: str, layouts: str):
    """accel's own use of the device comes first, as it does where a case is timed: Intel's runtime then gave up the
    context of CLBlast's queue."""
    if (found := clblast.modules()) is None:
        pytest.skip("needs pyclblast, which pip builds where CLBlast is installed")
    for device in accel.devices():
        if device.name.startswith("opencl"):
            accel.zeros((4,), device=device)
    if clblast._device(found[0], kind) is None:
        pytest.skip(f"OpenCL has no {kind} here")
    lie = ["transposed" if side == "T" else "row-major" for side in layouts]
    workload = case("matmul", [Operand((70, 33), "float32", lie[0]), Operand((33, 50), "float32", lie[1])])
    operands = inputs.arrays(workload, 0)
    call = baselines.calls(workload, operands, kind, 1)["clblast"]
    gc.collect()
    for _ in range(2):
        assert baselines.problem(workload, operands, call()) is None


def test_clblast_is_found_where_it_is_installed(monkeypatch: pytest.MonkeyPatch):
    package, arrays, blas = ModuleType("pyopencl"), ModuleType("pyopencl.array"), ModuleType("pyclblast")
    package.array = arrays  # type: ignore[attr-defined]
    for module in (package, arrays, blas):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert clblast.modules() == (package, blas)
