"""torch's own samples of its operators (OpInfo), with gradients, against accel's functions of the same names."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import accel.torch  # noqa: E402
import accel.torch.library as library  # noqa: E402
from accel import errors  # noqa: E402

FUNCTIONS = {name: its.signature.function for name, its in library.OPERATORS.items() if "." not in name}

KEYWORDS = {"dim": "axis", "keepdim": "keepdims"}
"""torch's words for what has NumPy's here."""

PLACES = {
    **dict.fromkeys(("argmax", "argmin", "logcumsumexp"), ("dim", "keepdim")),
    **dict.fromkeys(("prod", "std", "var", "var_mean", "max", "min"), ("dim", "keepdim")),
    "argsort": ("dim", "descending", "stable"),
    "sort": ("dim", "descending", "stable"),
    "matrix_norm": ("ord", "dim", "keepdim", "dtype"),
    "quantile": ("q", "dim", "keepdim"),
    "roll": ("shift", "axis"),
}
"""Names of what torch takes by its place after the first operand."""

LEAST = {"std": {"correction": 1}, "var": {"correction": 1}, "argsort": {"stable": False}, "sort": {"stable": False}}
"""What torch does where nothing is said, and the function here does not."""

OF_WHAT = {
    "embedding_bag": lambda weight, indices, *rest: (indices, weight, *rest),
    "where": lambda x, condition, y: (condition, x, y),
}
"""Operands as accel's function has them, of torch's sample."""

UNLIKE = {
    "allclose": "gives an array of one bool",
    **dict.fromkeys(("eigh", "eigvalsh"), "read the lower half, and torch's samples say which"),
    "index_add": "takes no alpha, which each of torch's samples has",
    "equal": "compares elements, as NumPy and the array API standard have it",
    "median": "is the mean of the two in the middle of an even number, of which torch takes the lower",
    "nanmedian": "as the median",
    "ldexp": "rounds exponents to integers",
    "round": "takes no decimals",
    "svd": "torch's is of another signature: its torch.linalg.svd has no samples by this name",
    "take": "takes along an axis",
    "unfold": "torch's samples are of Tensor.unfold",
}
"""Functions that mean something else than torch's of their name, or that say it otherwise."""

NEUTRAL = {"correction": None, "out_int32": False, "right": False, "hermitian": False}
"""torch's keywords that say nothing where they have these values, and that the functions here lack."""

REFUSED = {
    "": r"(out of range for an array with|got one without|over) (0 )?axes",
    "add": "alpha",
    "cov": "correction: there is no such keyword",
    "divide": "rounding_mode",
    "gaussian_nll_loss": "accel.broadcast_to spells a broadcast out",
    "logit": "expected x, got 2 operands",
    "matrix_norm": "axis|dtype",
    "max": "axis: expected an integer",  # torch.max of two tensors is maximum
    "min": "axis: expected an integer",
    "pinv": "hermitian|positional",
    "quantile": "interpolation|elements cannot be read while a function is traced",
    "rrelu": "random slopes are not offered",
    "scaled_dot_product_attention": "dropout_key|expected as many axes each",
    "searchsorted": "out_int32|right",
    "solve": "batches of vectors",
    "std": "unbiased|axis: expected an integer",
    "subtract": "alpha",
    "var": "unbiased|axis: expected an integer",
    "var_mean": "unbiased|axis: expected an integer",
}
"""What errors say where torch's sample asks for what a function has not. "": any function's, of numbers with an axis,
which NumPy refuses and torch takes."""


SAMPLELESS = {"affine_grid", "fold"}
"""Functions of which torch has no samples."""

THEIRS = (torch, torch.Tensor, torch.nn.functional, torch.special, torch.linalg, torch.fft)
NAMES = sorted(
    name
    for name in FUNCTIONS
    if name not in UNLIKE and name not in SAMPLELESS and any(hasattr(its, name) for its in THEIRS)
)
"""What both have. torch's samples are not looked at: they take seconds to import, which every process that collects
tests would pay."""


@cache
def described() -> list[Any]:
    """torch's descriptions of its operators: those of functions, not of masked tensors or of complex numbers alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        op_db = pytest.importorskip(
            "torch.testing._internal.common_methods_invocations", reason="torch's samples need the package expecttest"
        ).op_db
    found = [i for i in op_db if not i.name.startswith(("masked.", "sparse."))]
    return [i for i in found if i.dtypes & {torch.float64, torch.int64}]


def chosen(name: str) -> list[Any]:
    """The descriptions of the operators of a name, or where there are none, of those that have it as another one."""
    its, others = (
        [i for i in described() if name in (whole.split(".")[-1] for whole in names(i))]
        for names in (lambda i: [i.name], lambda i: [alias.name for alias in i.aliases])
    )
    return its or others


def tensors(x: Any) -> Iterator[Any]:
    """Those of a nest of tuples, lists and dicts."""
    if isinstance(x, torch.Tensor):
        yield x
    elif isinstance(x, tuple | list):
        yield from itertools.chain.from_iterable(map(tensors, x))
    elif isinstance(x, dict):
        yield from tensors(list(x.values()))


def call(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """accel's function of torch's arguments."""
    if name == "solve" and args[1].ndim > 1 and args[1].shape == args[0].shape[:-1]:
        raise TypeError("torch takes these for batches of vectors; in the array API standard they are matrices")
    places = PLACES.get(name)
    if places is not None:
        keywords = {**keywords, **dict(zip(places, args[1:], strict=False))}
        args = args[:1]
    if name in OF_WHAT:
        args = OF_WHAT[name](*args)
    keywords = {word: x for word, x in keywords.items() if word not in NEUTRAL or x != NEUTRAL[word]}
    if name == "matrix_norm" and tuple(keywords.get("dim", ())) == (-2, -1):
        del keywords["dim"]
    keywords = {**LEAST.get(name, {}), **{KEYWORDS.get(word, word): value for word, value in keywords.items()}}

    def function(*args: Any, **keywords: Any) -> Any:
        return FUNCTIONS[name](*args, **keywords)

    return accel.torch.function(function)(*args, **keywords)


def gradients(results: list[Any], operands: list[Any], seed: int) -> list[Any]:
    smooth = [y for y in results if y.requires_grad]
    draw = torch.Generator().manual_seed(seed)
    given = [torch.randn(y.shape, dtype=y.dtype, generator=draw) for y in smooth]
    found = torch.autograd.grad(smooth, operands, given, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, operands, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_samples_of_torch(request, name):
    """Results and gradients in float64 (of integers where torch has no others), and refusals for known reasons."""
    most = 50 if request.config.getoption("--deep") else 2  # that agree
    agreed, known = 0, re.compile("|".join(REFUSED[its] for its in ("", name) if its in REFUSED))
    for info in chosen(name):
        dtype = torch.bool if name.startswith("logical_") else torch.float64
        dtype = dtype if dtype in info.dtypes else torch.int64
        before = agreed
        samples = info.sample_inputs("cpu", dtype, requires_grad=info.supports_autograd and dtype.is_floating_point)
        for i, sample in enumerate(itertools.islice(samples, 50)):
            if agreed - before == most:
                break
            args = (sample.input, *sample.args)
            want = list(tensors(info.op(*args, **sample.kwargs)))
            try:
                got = list(tensors(call(name, args, sample.kwargs)))
            except (errors.AccelError, TypeError) as error:
                assert known.search(str(error))
                continue
            if name in ("sort", "max", "min"):  # torch gives the positions, too
                want = want[:1]
            assert len(got) == len(want)
            for x, y in zip(got, want, strict=True):
                torch.testing.assert_close(x, y, rtol=1e-7, atol=1e-7, equal_nan=True)
            operands = [x for x in tensors((args, sample.kwargs)) if x.requires_grad]
            if operands and any(y.requires_grad for y in want):
                for x, y in zip(gradients(got, operands, i), gradients(want, operands, i), strict=True):
                    torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-6, equal_nan=True)
            agreed += 1
    assert agreed


def test_the_names_are_all_of_which_torch_has_samples():
    """The control of what is looked up: a word that torch spells otherwise would leave nothing to compare."""
    assert set(NAMES) == {name for name in FUNCTIONS if chosen(name)} - set(UNLIKE)
    assert not any(map(chosen, SAMPLELESS)) and all(map(chosen, UNLIKE))
    assert len(NAMES) > 200
    assert {"matmul", "softmax", "conv2d", "layer_norm", "sort", "solve"} <= set(NAMES)
