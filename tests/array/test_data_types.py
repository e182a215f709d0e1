"""The data type functions and __array_namespace_info__, by the array API standard's text (2025.12)."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

import accel
from accel.dtypes import DTYPES as TABLE
from accel.namespace_info import MAX_DIMENSIONS

DTYPES = tuple(TABLE.values())
STANDARD = tuple(d for d in DTYPES if d.name not in ("float16", "bfloat16"))
KINDS = {
    "bool": {"bool"},
    "signed integer": {"int8", "int16", "int32", "int64"},
    "unsigned integer": {"uint8", "uint16", "uint32", "uint64"},
    "real floating": {"float16", "bfloat16", "float32", "float64"},
    "complex floating": {"complex64", "complex128"},
}
KINDS["integral"] = KINDS["signed integer"] | KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] | KINDS["real floating"] | KINDS["complex floating"]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


@pytest.mark.parametrize("name", ["float32", "float64", "float16"])
def test_finfo(name):
    want = np.finfo(name)
    for given in (name, TABLE[name], accel.zeros(1, dtype=name), np.zeros(1, name), np.dtype(name)):
        info = accel.finfo(given)
        assert (info.bits, info.dtype) == (want.bits, TABLE[name])
        assert (info.eps, info.max, info.min, info.smallest_normal) == (
            want.eps,
            want.max,
            want.min,
            want.smallest_normal,
        )
        assert all(type(getattr(info, field)) is float for field in ("eps", "max", "min", "smallest_normal"))
        assert type(info.bits) is int


def test_finfo_of_bfloat16():
    info = accel.finfo(accel.bfloat16)
    assert (info.bits, info.eps, info.smallest_normal) == (16, 2.0**-7, 2.0**-126)
    assert info.max == -info.min == 2.0**127 * (2 - 2**-7)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind in "iu"], ids=str)
def test_iinfo(dtype):
    low = -(2 ** (8 * dtype.itemsize - 1)) if dtype.kind == "i" else 0
    for given in (dtype, dtype.name, accel.zeros(1, dtype=dtype), np.zeros(1, dtype.numpy)):
        info = accel.iinfo(given)
        assert (info.bits, info.min, info.max, info.dtype) == (
            8 * dtype.itemsize,
            low,
            low + 2 ** (8 * dtype.itemsize) - 1,
            dtype,
        )
        assert all(type(getattr(info, field)) is int for field in ("bits", "min", "max"))


def test_limits_of_the_wrong_kind():
    for wrong in ("int8", accel.bool, accel.zeros(1, dtype="int8")):
        with pytest.raises(accel.DtypeError, match="finfo: type: expected a floating dtype"):
            accel.finfo(wrong)
    for wrong in ("float32", accel.bool, np.zeros(1)):
        with pytest.raises(accel.DtypeError, match="iinfo: type: expected an integer dtype"):
            accel.iinfo(wrong)
    with pytest.raises(accel.DtypeError, match="'complex32' is not a dtype"):
        accel.finfo("complex32")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_isdtype(dtype):
    for kind, names in KINDS.items():
        assert accel.isdtype(dtype, kind) == (dtype.name in names)
    for other in DTYPES:
        assert accel.isdtype(dtype, other) == (dtype is other)
    assert accel.isdtype(dtype, ("bool", "numeric"))
    assert accel.isdtype(dtype, (dtype, "complex floating"))
    assert not accel.isdtype(dtype, ())
    assert accel.isdtype(dtype, ("integral", accel.float32)) == (dtype.kind in "iu" or dtype is accel.float32)


def test_kinds_that_there_are_not():
    with pytest.raises(accel.ArgumentError, match="'float' is not a kind of dtype; the kinds are bool, signed integer"):
        accel.isdtype(accel.float32, "float")
    with pytest.raises(accel.ArgumentError, match="'number'"):
        accel.isdtype(accel.float32, ("real floating", "number"))
    with pytest.raises(accel.DtypeError):
        accel.isdtype("float99", "numeric")


PROMOTION = {  # the standard's tables, without the diagonal; pairs in either order
    ("int8", "int16"): "int16", ("int8", "int32"): "int32", ("int8", "int64"): "int64", ("int16", "int32"): "int32",
    ("int16", "int64"): "int64", ("int32", "int64"): "int64", ("uint8", "uint16"): "uint16",
    ("uint8", "uint32"): "uint32", ("uint8", "uint64"): "uint64", ("uint16", "uint32"): "uint32",
    ("uint16", "uint64"): "uint64", ("uint32", "uint64"): "uint64",
    ("int8", "uint8"): "int16", ("int8", "uint16"): "int32", ("int8", "uint32"): "int64", ("int16", "uint8"): "int16",
    ("int16", "uint16"): "int32", ("int16", "uint32"): "int64", ("int32", "uint8"): "int32",
    ("int32", "uint16"): "int32", ("int32", "uint32"): "int64", ("int64", "uint8"): "int64",
    ("int64", "uint16"): "int64",
    ("int64", "uint32"): "int64",
    ("float32", "float64"): "float64",
    # beside the standard: 16-bit floats, and mixed kinds
    ("float16", "float32"): "float32", ("bfloat16", "float32"): "float32", ("float16", "bfloat16"): "float32",
    ("float16", "float64"): "float64", ("bfloat16", "float64"): "float64", ("int64", "float16"): "float16",
    ("uint64", "bfloat16"): "bfloat16", ("bool", "int8"): "int8", ("bool", "bfloat16"): "bfloat16",
    ("int32", "float32"): "float32",
}  # fmt: skip


@pytest.mark.parametrize(("pair", "want"), PROMOTION.items(), ids=str)
def test_result_type_and_can_cast(pair, want):
    for a, b in (pair, pair[::-1]):
        assert accel.result_type(TABLE[a], TABLE[b]) is TABLE[want]
        assert accel.result_type(accel.zeros(1, dtype=a), np.zeros(2, TABLE[b].numpy)) is TABLE[want]
        assert accel.can_cast(TABLE[a], TABLE[b]) == (b == want)
        assert accel.can_cast(accel.zeros(1, dtype=a), TABLE[b]) == (b == want)


def test_dtypes_with_themselves():
    for dtype in DTYPES:
        assert accel.result_type(dtype) is dtype
        assert accel.result_type(dtype, dtype, accel.bool) is dtype
        assert accel.can_cast(dtype, dtype) is True


@pytest.mark.parametrize("signed", ["int8", "int16", "int32", "int64"])
def test_what_does_not_promote(signed):
    with pytest.raises(accel.DtypeError):
        accel.result_type("uint64", signed)
    assert accel.can_cast("uint64", signed) is False
    assert accel.can_cast(signed, "uint64") is False


def test_result_type_does_not_depend_on_order():
    for dtypes in itertools.permutations((accel.int8, accel.uint16, accel.float16, accel.bool)):
        assert accel.result_type(*dtypes) is accel.float16
    for dtypes in itertools.permutations((accel.float16, accel.bfloat16, accel.int64)):
        assert accel.result_type(*dtypes) is accel.float32


def test_scalars_are_weak():
    assert accel.result_type(accel.int8, 1) is accel.int8
    assert accel.result_type(accel.int8, 1.0) is accel.float32
    assert accel.result_type(1.0, accel.bfloat16, 2) is accel.bfloat16
    assert accel.result_type(accel.bool, True) is accel.bool
    assert accel.result_type(accel.bool, 1) is accel.int64
    assert accel.result_type(accel.float32, np.float64(1)) is accel.float64
    assert accel.result_type(accel.int8, int) is accel.int64
    with pytest.raises(accel.ArgumentError, match="at least one array or dtype"):
        accel.result_type(1, 2.0)
    with pytest.raises(accel.ArgumentError, match="at least one"):
        accel.result_type()
    for wrong in ("text", [1], object()):
        with pytest.raises(accel.DtypeError, match=r"result_type: .* is not a dtype"):
            accel.result_type(accel.int8, wrong)


def test_results_have_the_result_type():
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = accel.ones(2, dtype=a), accel.ones(2, dtype=b)
        try:
            want = accel.result_type(x, y)
        except accel.DtypeError:
            with pytest.raises(accel.DtypeError):
                accel.add(x, y)
            continue
        if want is not accel.bool:
            assert accel.add(x, y).dtype is want


def test_can_cast_knows_the_device(monkeypatch):
    null = accel.device("null:0")
    monkeypatch.setattr(type(null), "missing", lambda self, name: "no float64" if name == "float64" else None)
    x = accel.ones(1, device=null)
    assert accel.can_cast(x.dtype, accel.float64) is True
    assert accel.can_cast(x, accel.float64) is False
    assert "float64" not in accel.__array_namespace_info__().dtypes(device=null)
    assert "float64" in accel.__array_namespace_info__().dtypes(device="cpu")


# __array_namespace_info__


def test_capabilities():
    assert accel.__array_namespace_info__().capabilities() == {
        "boolean indexing": False, "data-dependent shapes": False, "max dimensions": MAX_DIMENSIONS,
    }  # fmt: skip


def test_the_maximum_of_dimensions_is_one():
    x = accel.ones((1,) * (MAX_DIMENSIONS - 1) + (3,))
    assert (x + x).shape == x.shape
    assert accel.sum(x).item() == 3
    assert np.asarray(x).ndim == MAX_DIMENSIONS
    spread = accel.zeros((2,) * 12 + (1,) * (MAX_DIMENSIONS - 12)).mT
    assert (spread + 1).shape == spread.shape


def test_dtypes():
    info = accel.__array_namespace_info__()
    assert info.dtypes() == {d.name: d for d in STANDARD}
    assert all(d is getattr(accel, name) for name, d in info.dtypes().items())
    for kind, names in KINDS.items():
        want = {name: TABLE[name] for name in names - {"float16", "bfloat16"}}
        assert info.dtypes(kind=kind) == want
        assert info.dtypes(kind=(kind,)) == want
        assert info.dtypes(kind=kind, device=accel.device("cpu")) == want
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {"bool", *KINDS["unsigned integer"]}
    assert info.dtypes(kind=()) == {}
    with pytest.raises(accel.ArgumentError, match="'float' is not a kind"):
        info.dtypes(kind="float")
    with pytest.raises(accel.DeviceError):
        info.dtypes(device="nowhere")


def test_default_dtypes_are_what_creation_gives():
    info = accel.__array_namespace_info__()
    for device in (None, "cpu"):
        found = info.default_dtypes(device=device)
        assert set(found) == {"real floating", "complex floating", "integral", "indexing"}
        assert found["complex floating"] is accel.asarray(1j).dtype
        assert found["real floating"] is accel.asarray(1.0).dtype is accel.zeros(1).dtype
        assert found["integral"] is accel.asarray(1).dtype
        assert found["indexing"] is accel.argmax(accel.ones(3)).dtype


def test_devices():
    info = accel.__array_namespace_info__()
    assert info.default_device() is accel.default_device()
    assert isinstance(info.devices(), tuple)
    assert accel.device("cpu") in info.devices()
    assert accel.device("null:0") not in info.devices()
    for device in info.devices():
        assert accel.empty(1, device=device).device is device


def test_the_namespace_has_the_standards_constants_and_dtypes():
    assert (accel.e, accel.pi, accel.inf, accel.newaxis) == (np.e, np.pi, np.inf, None)
    assert np.isnan(accel.nan)
    for dtype in STANDARD:
        assert getattr(accel, dtype.name) is dtype
        assert dtype == dtype
        assert dtype != "float32"
    assert accel.__array_api_version__ == "2025.12"
    assert set(accel.__all__) >= {"finfo", "iinfo", "isdtype", "can_cast", "result_type", "__array_namespace_info__"}
    assert ml_dtypes.bfloat16 is accel.bfloat16.numpy.type
