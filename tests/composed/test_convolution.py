"""Convolutions: torch in float64 beside them, what is no term, layouts, derivatives, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import nn
from accel.backends.cpu import native
from accel.ops.parameters import Convolution
from accel.ops.primitive.convolution import convolution, convolve

RNG = np.random.default_rng(3)


def drawn(*shape: int, dtype: str = "float64") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


CASES = {
    "plain": ("conv2d", (2, 3, 9, 8), (4, 3, 3, 2), {}),
    "strided": ("conv2d", (2, 4, 9, 8), (4, 2, 3, 3), {"stride": (2, 3), "padding": (1, 2), "groups": 2}),
    "dilated": ("conv2d", (1, 3, 9, 8), (4, 3, 3, 2), {"dilation": (2, 3), "padding": 2}),
    "same": ("conv2d", (1, 3, 9, 8), (4, 3, 4, 2), {"padding": "same", "dilation": (1, 2)}),
    "depthwise": ("conv2d", (2, 6, 7, 7), (6, 1, 3, 3), {"padding": 1, "groups": 6}),
    "no batch": ("conv2d", (3, 9, 8), (4, 3, 3, 2), {"padding": 1}),
    "line": ("conv1d", (2, 3, 40), (5, 3, 7), {"stride": 3, "padding": 3}),
    "volume": ("conv3d", (2, 3, 5, 6, 4), (4, 3, 2, 3, 3), {"padding": (0, 1, 2), "stride": 2}),
    "transposed": ("conv_transpose2d", (2, 4, 5, 4), (4, 3, 3, 2), {"stride": (2, 3), "padding": 1}),
    "transposed groups": ("conv_transpose2d", (2, 4, 5, 4), (4, 3, 3, 2), {"stride": 2, "groups": 2, "dilation": 2}),
    "transposed longer": ("conv_transpose1d", (2, 4, 5), (4, 3, 3), {"stride": 3, "output_padding": 2}),
    "transposed cut": ("conv_transpose1d", (2, 4, 5), (4, 3, 2), {"stride": 2, "padding": 3}),
    "transposed volume": ("conv_transpose3d", (1, 2, 3, 2, 3), (2, 3, 3, 2, 3), {"stride": 2}),
}


@pytest.mark.parametrize("name", CASES)
def test_torch_in_float64(name):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    op, x, weight, keywords = CASES[name]
    outputs = weight[0] if "transpose" not in op else weight[1] * keywords.get("groups", 1)
    operands = [drawn(*x), drawn(*weight), drawn(outputs)]
    want = getattr(torch.nn.functional, op)(*map(torch.from_numpy, operands), **keywords).numpy()
    got = getattr(nn, op)(*operands, **keywords)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


EPILOGUES = {
    "activation": lambda y, z: nn.silu(y),
    "residual": lambda y, z: nn.relu(y * 0.5 + z),
    "16 bits": lambda y, z: accel.astype(y + z, "float16"),
    "a comparison": lambda y, z: (y > 0) & (z > y),
    "a scale of channels": lambda y, z: y * accel.exp(z[..., :1, :1]) - 1.0,
}
DEVICES = [str(d) for d in accel.devices() if d.backend in ("opencl", "triton") and d.kind != "emulated"]
RUNS = [("cpu", name, epilogue) for name in CASES for epilogue in ("residual", "16 bits")]
RUNS += [("cpu", "strided", epilogue) for epilogue in EPILOGUES]
RUNS += [(device, "strided", epilogue) for device, epilogue in zip(DEVICES, ("residual", "16 bits") * 9, strict=False)]


@pytest.mark.parametrize(("device", "name", "epilogue"), dict.fromkeys(RUNS))
def test_an_epilogue_gives_the_bits_of_calls_one_by_one(device, name, epilogue):
    """With operands beside it that lie in any order, and weights that are not finite, which meet padding."""
    op, x, weight, keywords = CASES[name]
    outputs = weight[0] if "transpose" not in op else weight[1] * keywords.get("groups", 1)
    operands = [drawn(*shape, dtype="float32") for shape in (x, weight, (outputs,))]
    shape = getattr(nn, op)(*operands, **keywords).shape
    operands.append(drawn(*shape[::-1], dtype="float32"))

    def function(x, weight, bias, beside):
        y = getattr(nn, op)(x, weight, bias, **keywords)
        return EPILOGUES[epilogue](y, accel.permute_dims(beside, tuple(range(beside.ndim))[::-1]))

    for special in (False, True):
        if special:
            operands[1][-1, -1, 0] = np.inf
        arrays = [accel.asarray(each, device=device) for each in operands]
        one_launch = accel.fuse(function)
        with accel.config(fusion="off"):
            want = np.asarray(function(*arrays))
        for threads in (1, 3) if device == "cpu" else (1,):
            with accel.config(num_threads=threads):
                assert np.asarray(one_launch(*arrays)).tobytes() == want.tobytes()


@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d"])
def test_channels_behind_give_the_same_bits(op):
    x, weight = drawn(2, 6, 7, 5, dtype="float32"), drawn(6, 3, 3, 3, dtype="float32")
    first = getattr(nn, op)(x, weight, stride=2, groups=2)
    last = getattr(nn, op)(np.ascontiguousarray(np.moveaxis(x, 1, -1)), weight, stride=2, groups=2, data_format="NHWC")
    assert np.ascontiguousarray(np.moveaxis(last, -1, 1)).tobytes() == first.tobytes()


def test_padding_is_no_term():
    x = np.ones((1, 1, 4, 4), np.float32)
    weight = np.full((1, 1, 3, 3), np.inf, np.float32)
    assert np.isposinf(nn.conv2d(x, weight, padding=1)).all()
    params = Convolution((1, 1), (1, 1), (1, 1), (1, 1), (1, 1))
    control = convolve(x[:, None], weight[:, None], None, params, skipped=False)
    assert np.isnan(control).any()


def test_a_sum_of_minus_zero_is_zero():
    tiny = np.full((1, 1, 3), 1e-30, np.float32)
    got = nn.conv1d(tiny, -tiny[:, :, :1])
    assert got.tobytes() == np.zeros((1, 1, 3), np.float32).tobytes()
    product = accel.matmul(tiny[0].T, -tiny[0, :, :1])
    assert np.signbit(product).all()


def test_chunks_count():
    x, weight = drawn(1, 300, 5, dtype="float32"), drawn(2, 300, 1, dtype="float32")
    got = nn.conv1d(x, weight)
    params = Convolution((1,), (0,), (0,), (1,), (1,))
    grouped = x[:, None], weight[None]
    assert got.tobytes() == convolve(*grouped, None, params)[:, 0].tobytes()
    assert got.tobytes() != convolve(*grouped, None, params, kc=128)[:, 0].tobytes()


def test_a_place_does_not_depend_on_the_batch():
    x, weight = drawn(5, 7, 9, 11, dtype="float32"), drawn(19, 7, 3, 3, dtype="float32")
    whole = nn.conv2d(x, weight, padding=1)
    for i in range(5):
        assert nn.conv2d(x[i : i + 1], weight, padding=1).tobytes() == whole[i : i + 1].tobytes()
    part = nn.conv2d(x[:, :, 2:7], weight, padding=(0, 1))
    assert np.ascontiguousarray(whole[:, :, 3:6]).tobytes() == part.tobytes()


@pytest.mark.parametrize("name", CASES)
def test_a_packed_weight_and_an_activation_give_the_same_bits(name):
    op, x, weight, keywords = CASES[name]
    x, weight = drawn(*x, dtype="float32"), drawn(*weight, dtype="float32")
    packed, function = nn.PackedWeight(weight), getattr(nn, op)
    assert np.asarray(packed.dequantize()).tobytes() == weight.tobytes()
    want = function(x, weight, **keywords)
    assert function(x, packed, **keywords).tobytes() == want.tobytes()
    assert isinstance(function(accel.asarray(x), packed, **keywords), accel.Array)
    assert function(x, packed, activation="silu", **keywords).tobytes() == nn.silu(want).tobytes()
    assert function(x, nn.PackedWeight(weight + 1), **keywords).tobytes() != want.tobytes()


def test_a_large_packed_weight():
    """Of several panels of outputs, pieces of terms and chunks; not finite, so that padding is to be skipped."""
    x, weight = drawn(2, 70, 6, 5, dtype="float32"), drawn(75, 70, 3, 3, dtype="float32")
    params = Convolution((1, 1), (1, 1), (1, 1), (1, 1), (1, 1))
    for its in (weight, np.where(weight > 2.5, np.float32(np.inf), weight)):
        want = convolve(x[:, None], its[None], None, params)[:, 0]
        for threads in (1, 2):
            with accel.config(num_threads=threads):
                assert nn.conv2d(x, its, padding=1).tobytes() == want.tobytes()
                packed = nn.PackedWeight(its)
                assert nn.conv2d(x, packed, padding=1).tobytes() == want.tobytes()
                assert nn.conv2d(x[:1], packed, padding=1).tobytes() == want[:1].tobytes()
                activated = nn.conv2d(x, packed, padding=1, activation="silu")
                assert activated.tobytes() == nn.silu(want).tobytes()


@st.composite
def planes_of_nine(draw):
    """Operands of windows of 3 x 3 elements of one channel, as parts of arrays of NaN, and the parameters."""
    number = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    dtype = draw(st.sampled_from(["float32", "float64"]))
    low, high = ((number(-2, 4), number(-2, 4)) for _ in range(2))
    lengths = tuple(number(max(1, 3 - b - a), 40) for a, b in zip(low, high, strict=True))
    batch, groups, outputs = number(1, 3), number(1, 5), number(1, 2)
    outer = np.full((batch, groups, 1, lengths[0] + 2, lengths[1] + number(0, 9) + 2), np.nan, dtype)
    x = outer[..., 1:-1, 1 : 1 + lengths[1]]
    x[...] = drawn(*x.shape)
    if draw(st.booleans()):
        x = x[..., ::-1, :]
    weight, bias = drawn(groups, outputs, 1, 3, 3, dtype=dtype), drawn(groups, outputs, dtype=dtype)
    if draw(st.integers(0, 5)) == 0:
        weight[-1, -1, 0, number(0, 2), number(0, 2)] = np.inf
    params = Convolution((1, 1), low, high, (1, 1), (1, 1))
    return x, weight, bias if draw(st.booleans()) else None, params


@pytest.mark.parametrize("isa", native().isas())
@given(planes_of_nine(), st.integers(1, 2))
def test_windows_of_nine(isa, operands, threads):
    x, weight, bias, params = operands
    with accel.config(device="cpu", cpu_isa=isa, num_threads=threads):
        got = convolution(x, weight, bias, params.stride, params.low, params.high, (1, 1), (1, 1))
    assert got.tobytes() == convolve(x, weight, bias, params).tobytes()


@pytest.mark.parametrize("isa", native().isas())
@pytest.mark.parametrize("shape", [(1, 1, 90, 130), (2, 3, 20, 700), (1, 90, 7, 7)])
def test_blocks_of_windows_of_nine(isa, shape):
    """Planes of more than one block of rows, rows that are too long for one, and more planes than a run has."""
    x, weight = drawn(*shape, dtype="float32"), drawn(shape[1], 1, 3, 3, dtype="float32")
    params = Convolution((1, 1), (1, 1), (1, 1), (1, 1), (1, 1))
    want = convolve(x[:, :, None], weight[:, None], None, params)[:, :, 0]
    for threads in (1, 2):
        with accel.config(device="cpu", cpu_isa=isa, num_threads=threads):
            assert nn.conv2d(x, weight, padding=1, groups=shape[1]).tobytes() == want.tobytes()


@pytest.mark.parametrize("isa", native().isas())
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 3])
def test_rows_of_several_vectors(isa, stride, groups):
    """Of lengths that no vector divides, with a part of one behind the last whole one."""
    for length in (35, 83, 150):
        x, weight = drawn(1, 3, 11, length, dtype="float32"), drawn(6, 3 // groups, 5, 5, dtype="float32")
        params = Convolution((stride, stride), (2, 2), (2, 2), (1, 1), (1, 1))
        with accel.config(device="cpu", cpu_isa=isa):
            got = nn.conv2d(x, weight, stride=stride, padding=2, groups=groups)
        by_group = x.reshape(1, groups, -1, 11, length), weight.reshape(groups, -1, 3 // groups, 5, 5)
        assert got.tobytes() == convolve(*by_group, None, params).tobytes()


GEOMETRIES = {
    "plain": ((9, 8), (3, 2), Convolution((1, 1), (0, 0), (0, 0), (1, 1), (1, 1))),
    "strided": ((9, 8), (3, 2), Convolution((2, 3), (1, 0), (2, 1), (1, 2), (1, 1))),
    "spread": ((4, 3), (3, 2), Convolution((1, 2), (2, 1), (1, 2), (2, 1), (2, 3))),
    "last": ((5, 6), (3, 2), Convolution((2, 1), (1, 1), (1, 0), (1, 1), (1, 1), True)),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_derivatives(name):
    """Along random directions: the derivative of a bilinear function is a difference, exactly."""
    from accel.registry import PRIMITIVES

    lengths, kernel, params = GEOMETRIES[name]
    groups, channels, outputs = 2, 3, 4
    shape = (2, *lengths, groups, channels) if params.last else (2, groups, channels, *lengths)
    arrays = [drawn(*shape), drawn(groups, outputs, channels, *kernel), drawn(groups, outputs)]
    operands = [accel.asarray(x, device="cpu") for x in arrays]
    steps = params.stride, params.low, params.high, params.dilation, params.spread, params.last
    y = convolution(*operands, *steps)
    g = drawn(*y.shape)
    found = PRIMITIVES["convolution"].vjp(params, [accel.asarray(g, device="cpu")], [y], operands)
    for i, cotangent in enumerate(found):
        direction = drawn(*arrays[i].shape)
        moved = [x + direction if j == i else x for j, x in enumerate(arrays)]
        change = np.asarray(convolution(*moved, *steps)) - np.asarray(y)
        assert cotangent.shape == arrays[i].shape
        np.testing.assert_allclose((np.asarray(cotangent) * direction).sum(), (change * g).sum(), rtol=1e-10)


X, W = np.ones((1, 4, 5, 5), np.float32), np.ones((6, 4, 3, 3), np.float32)

REFUSED = {
    "kernel": (lambda: nn.conv2d(X, np.ones((6, 4, 8, 3), np.float32), padding=1), accel.ShapeError,
               r"a kernel over \(8, 3\) elements is larger than the padded input, \(7, 7\)"),
    "channels": (lambda: nn.conv2d(X, W[:, :3]), accel.ShapeError, "4 channels of the input meet 3 of the weight"),
    "groups": (lambda: nn.conv2d(X, W, groups=4), accel.ArgumentError, "groups: expected a divisor of the weight's 6"),
    "no groups": (lambda: nn.conv2d(X, W, groups=0), accel.ArgumentError, "groups"),
    "bias": (lambda: nn.conv2d(X, W, X[0, :, 0, 0]), accel.ShapeError, r"bias: expected shape \(6,\), got \(4,\)"),
    "activation": (lambda: nn.conv2d(X, W, activation="add"), accel.ArgumentError, "activation: 'add' is not a"),
    "codes": (lambda: nn.conv2d(X, nn.PackedWeight.quantized(W[:, :, 0, 0])), accel.ArgumentError,
              "conv2d: weight: takes no weight of 8 bits"),
    "empty packed": (lambda: nn.PackedWeight(W[:, :, :0]), accel.ShapeError, "weight: expected no kernel"),
    "axes": (lambda: nn.conv2d(X[0, 0], W), accel.ShapeError, "input: expected 4 axes"),
    "weight": (lambda: nn.conv2d(X, W[0, 0]), accel.ShapeError, "weight: expected 4 axes"),
    "stride": (lambda: nn.conv2d(X, W, stride=0), accel.ArgumentError, "stride: expected numbers from 1"),
    "strides": (lambda: nn.conv2d(X, W, stride=(1, 2, 3)), accel.ArgumentError, "stride: expected an integer or 2"),
    "padding": (lambda: nn.conv2d(X, W, padding=-1), accel.ArgumentError, "padding: expected numbers from 0"),
    "word": (lambda: nn.conv2d(X, W, padding="full"), accel.ArgumentError, "padding: expected 'same' or 'valid'"),
    "same": (lambda: nn.conv2d(X, W, stride=2, padding="same"), accel.ArgumentError, "'same' is for a stride of 1"),
    "dilation": (lambda: nn.conv2d(X, W, dilation=3), accel.ShapeError, "larger than the padded input"),
    "format": (lambda: nn.conv2d(X, W, data_format="NCDHW"), accel.ArgumentError, "data_format: expected 'NCHW'"),
    "empty": (lambda: nn.conv2d(X[:, :, :0], W), accel.ShapeError, "input: expected no axis of length 0"),
    "dtype": (lambda: nn.conv2d(X.astype(int), W), accel.DtypeError, "input"),
    "nothing left": (lambda: nn.conv_transpose2d(X[:, :, :1], W[:4], padding=3), accel.ShapeError, "leaves no element"),
    "output padding": (lambda: nn.conv_transpose2d(X, W[:4], output_padding=1), accel.ArgumentError, "output_padding"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        call()
