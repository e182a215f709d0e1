"""`accel.torch.optimize`: what it replaces, what it leaves, and the way back."""

from __future__ import annotations

import copy
import pickle

import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")

import accel.torch  # noqa: E402
from torch import nn  # noqa: E402


@pytest.fixture(autouse=True)
def _on_the_cpu():
    torch.manual_seed(0)
    with accel.config(device="cpu"):
        yield


class Doubled(nn.Module):
    """A norm of nobody's library, with another name for its eps."""

    def __init__(self, n, plus_one=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n))
        self.tiny, self.plus_one = 1e-5, plus_one

    def forward(self, hidden):
        y = hidden / torch.sqrt(torch.mean(hidden**2, -1, keepdim=True) + self.tiny)
        return y * (1 + self.weight if self.plus_one else self.weight)


def test_the_model_is_replaced_and_given_back():
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), Doubled(16), Doubled(16, True), nn.LayerNorm(16), nn.Dropout())
    x = torch.randn(3, 8)
    model.eval()
    want, state, own = model(x), copy.deepcopy(model.state_dict()), [dict(vars(m)) for m in model.modules()]
    with accel.torch.optimize(model) as report:
        got = model(x)
        assert {its.kind for its in report.replaced} == {"linear", "activation", "norm"}
        assert len(report.replaced) == 5
        assert [(its.name, its.why) for its in report.left] == [("5", "random numbers are torch's")]
        assert "norm: 2 x Doubled" in str(report)
        with torch.no_grad():
            mine = accel.nn.gelu(accel.nn.linear(x, model[0].weight, model[0].bias))
        assert (model[1](model[0](x)) == mine).all()
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert (other(x) == got).all()
            assert other[0].forward.module is other[0]
    torch.testing.assert_close(got, want)
    assert (model(x) == want).all()
    assert [dict(vars(m)) for m in model.modules()] == own
    assert all((x == y).all() for x, y in zip(state.values(), model.state_dict().values(), strict=True))
