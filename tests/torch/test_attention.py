"""accel's attention among torch's implementations of flash attention: active only where a user says so."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.nn import attention as implementations
from torch.nn.functional import scaled_dot_product_attention

import accel
import accel.torch
from accel import recording

if not hasattr(implementations, "register_flash_attention_impl"):
    pytest.skip("this torch has one implementation of flash attention", allow_module_level=True)


def made(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture
def activated():
    implementations.activate_flash_attention_impl("accel")
    try:
        yield
    finally:
        implementations.restore_flash_attention_impl()


def served(function, *args):
    """The result, and whether accel's kernels computed it."""
    with recording.recording(run=True) as recorder:
        result = function(*args)
    return result, any("attention" in what for what in recorder.served_by())


OPTIONS = {
    "plain": ({}, (2, 4, 30, 16), (2, 4, 50, 16)),
    "causal": ({"is_causal": True}, (2, 4, 50, 16), (2, 4, 50, 16)),
    "scale": ({"scale": 0.5}, (4, 30, 16), (4, 50, 16)),
    "grouped": ({"enable_gqa": True}, (2, 4, 30, 16), (2, 2, 50, 16)),
    "mask": ({"attn_mask": made(30, 50) > 0}, (2, 4, 30, 16), (2, 4, 50, 16)),
    "additive": ({"attn_mask": made(2, 1, 30, 50)}, (2, 4, 30, 16), (2, 4, 50, 16)),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_forward_and_backward_are_accels(activated, name):
    options, of_queries, of_keys = OPTIONS[name]
    q, k, v = (made(*s, seed=i).requires_grad_() for i, s in enumerate((of_queries, of_keys, of_keys)))
    y, accels = served(lambda: scaled_dot_product_attention(q, k, v, **options))
    assert accels
    gradients = torch.autograd.grad(y.square().sum(), (q, k, v))
    for got in (y, *gradients):
        assert got.dtype == torch.float32
    bits = accel.nn.scaled_dot_product_attention(*(x.detach() for x in (q, k, v)), **options)
    assert torch.equal(y.detach(), bits)
    implementations.restore_flash_attention_impl()
    doubles = [x.detach().double().requires_grad_() for x in (q, k, v)]
    if (mask := options.get("attn_mask")) is not None and mask.dtype != torch.bool:
        options = {**options, "attn_mask": mask.double()}
    want = scaled_dot_product_attention(*doubles, **options)
    wanted = torch.autograd.grad(want.square().sum(), doubles)
    torch.testing.assert_close(y.double(), want, atol=1e-5, rtol=1e-5)
    for got, its in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got.double(), its, atol=2e-4, rtol=2e-4)
    implementations.activate_flash_attention_impl("accel")


def test_a_layer_and_compiled_code_take_it(activated):
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    x = made(2, 10, 32)
    y, accels = served(layer, x)
    assert accels
    with torch.inference_mode():
        _, accels = served(lambda: scaled_dot_product_attention(*[made(1, 2, 9, 8)] * 3))
        assert accels
    with torch.autocast("cpu", torch.bfloat16):
        halves, accels = served(lambda: scaled_dot_product_attention(*[made(1, 2, 9, 8)] * 3))
    assert accels and halves.dtype == torch.bfloat16
    compiled, accels = served(torch.compile(layer, backend="aot_eager"), x)
    assert accels
    torch.testing.assert_close(compiled, y)


@pytest.mark.parametrize("q", [made(2, 4, 30, 16), made(2, 30, 4, 16).transpose(1, 2)], ids=["heads", "places"])
def test_strides_are_torchs(q):
    """Where places lie beside each other, heads are merged by a view."""
    its = scaled_dot_product_attention(q, q, q)
    implementations.activate_flash_attention_impl("accel")
    try:
        got = scaled_dot_product_attention(q, q, q)
    finally:
        implementations.restore_flash_attention_impl()
    assert got.stride() == its.stride()


@pytest.mark.parametrize("why", ["dropout", "too_wide", "switched_off"])
def test_what_accel_has_not_stays_torchs(activated, why):
    q = made(1, 2, 20, 300 if why == "too_wide" else 16)
    backends = (
        [implementations.SDPBackend.MATH] if why == "switched_off" else list(map(implementations.SDPBackend, (0, 1)))
    )
    with implementations.sdpa_kernel(backends):
        y, accels = served(lambda: scaled_dot_product_attention(q, q, q, dropout_p=0.5 if why == "dropout" else 0.0))
    assert not accels
    if why != "dropout":
        implementations.restore_flash_attention_impl()
        torch.testing.assert_close(y, scaled_dot_product_attention(q, q, q))
        implementations.activate_flash_attention_impl("accel")


def test_errors_are_torchs(activated):
    with pytest.raises(RuntimeError, match="same dtype"):
        scaled_dot_product_attention(made(1, 2, 5, 8), made(1, 2, 5, 8).double(), made(1, 2, 5, 8))


def test_it_is_known_and_not_active_when_accel_torch_is_imported():
    code = (
        "import torch, accel.torch; from torch.nn import attention as a; "
        "print('accel' in a.list_flash_attention_impls(), a.current_flash_attention_impl())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout.split() == ["True", "None"], done.stderr
