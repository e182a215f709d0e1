"""`accel.torch.optimize` of a network with the weights that a package brings: the O-Net of MTCNN (Zhang et al. 2016,
arXiv:1604.02878), which says of an image of 48 x 48 whether it is a face, and where its box and five points are."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import accel

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import accel.torch  # noqa: E402

FOUND = find_spec("facenet_pytorch")
pytestmark = pytest.mark.skipif(FOUND is None, reason="facenet-pytorch, which has the weights, is not installed")


class ONet(nn.Module):
    """The layers by the names and shapes that the file has."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x):
        pool = nn.functional.max_pool2d
        x = pool(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)
        x = pool(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = pool(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = self.prelu4(self.conv4(x)).permute(0, 3, 2, 1)
        x = self.prelu5(self.dense5(x.reshape(len(x), -1)))
        return torch.cat([self.dense6_1(x).softmax(-1), self.dense6_2(x), self.dense6_3(x)], -1)


@pytest.fixture(scope="module")
def model():
    its = ONet().eval()
    file = Path(FOUND.origin).parent / "data" / "onet.pt"
    its.load_state_dict(torch.load(file, weights_only=True))
    return its


@pytest.fixture(scope="module")
def crops():
    """Parts of two photographs, of which none is a face."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    pictures = [datasets.load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    parts = [p[y : y + 48, x : x + 48] for p in pictures for y in (0, 120, 300) for x in (40, 200, 420)]
    return (torch.from_numpy(np.stack(parts)).float().permute(0, 3, 1, 2) - 127.5) / 128


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"), torch.no_grad():
        yield


def test_in_float32_errors_are_those_of_torch(model, crops):
    exact, eager = copy.deepcopy(model).double()(crops.double()), model(crops)
    assert (exact[:, 1] < 0.5).all(), "no photograph has a face"
    with accel.torch.optimize(model) as report:
        assert [its.kind for its in report.replaced].count("convolution") == 4
        got = model(crops)
    assert (got - exact).norm() <= 2 * (eager - exact).norm() + 8 * 2**-24 * exact.norm()
    assert (got != eager).any()


def test_in_int8_what_is_no_face_stays_none(model, crops):
    """A code is off by at most half a step: 1 / 254 of its output's largest weight. The answers move by less than 0.02
    of the largest, and the decision does not change."""
    eager = model(crops)
    with accel.torch.optimize(model, weights="int8") as report:
        assert [its.kind for its in report.replaced].count("linear int8") == 4
        got = model(crops)
    assert ((got[:, 1] > 0.5) == (eager[:, 1] > 0.5)).all()
    assert 0 < (got - eager).abs().max() < 0.02 * eager.abs().max()
    assert (model(crops) == eager).all()
