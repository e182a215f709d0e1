"""Random functions, fused: the same bits as their calls one by one, and the layouts of those."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_functions import Drawn, draw, of
from reference_kernels import reference_kernels

import accel
from accel import dispatch
from accel.composition import recorded_by
from accel.config import config
from accel.graph import fit
from accel.graph.compile import stages
from accel.graph.trace import Tracer
from accel.testing.compare import differing
from accel.testing.draw import Draw
from accel.testing.strategies import choices


def check(drawn: Drawn, device: str) -> None:
    arrays = [accel.asarray(x, device=device) for x in drawn.arrays()]
    with accel.config(fusion="off"), np.errstate(all="ignore"):
        want = of(drawn(*arrays))
    with np.errstate(all="ignore"):
        got = of(accel.fuse(lambda *a: drawn(*a))(*arrays))
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert repr(a.layout) == repr(b.layout)  # one that was forgotten meanwhile has a double
        assert not differing(np.asarray(a), np.asarray(b)).any()


@pytest.mark.parametrize("most", [6, 12, 40])
def test_groups_give_the_bits_of_single_calls(most, monkeypatch):
    """By kernels that take every group."""
    with reference_kernels(monkeypatch):
        for seed in range(150):
            check(draw(Draw.seeded(seed, most), most), "cpu")


@given(st.data())
def test_fused_functions_give_the_bits_of_single_calls(target, data):
    """By a device's own kernels."""
    with target.in_force() as device:
        check(draw(choices(data.draw), 12 if device.kind == "cpu" else 5), str(device))


def test_steps_join_no_group_that_they_are_needed_for():
    """What reads an operand again joins the first steps of it, which are needed for earlier groups than its own."""

    def loss(x, y):
        return accel.sum(accel.cumulative_sum(accel.tanh(x), axis=1) * y)

    x, y = (accel.asarray(np.random.default_rng(i).standard_normal((5, 7)).astype(np.float32)) for i in range(2))
    want = accel.flip(accel.cumulative_sum(accel.flip(y, axis=1), axis=1), axis=1) * (1 - accel.square(accel.tanh(x)))
    assert not differing(np.asarray(accel.grad(loss)(x, y)), np.asarray(want)).any()


def test_a_group_that_is_formed_wrongly_is_seen(monkeypatch):
    """The control: a view of an intermediate that is not read in place is taken as if it were."""
    monkeypatch.setattr(fit.Fit, "_check_crossing", lambda *args: None)
    with reference_kernels(monkeypatch), pytest.raises(AssertionError):
        for seed in range(3000):
            check(draw(Draw.seeded(seed), 16), "cpu")


def test_every_kind_of_group_is_met(capsys, monkeypatch):
    kinds: Counter[str] = Counter()
    with reference_kernels(monkeypatch):
        for seed in range(300):
            drawn = draw(Draw.seeded(seed), 12)
            arrays = [accel.asarray(x) for x in drawn.arrays()]
            tracer = Tracer([x.layout for x in arrays])
            with recorded_by(tracer):
                results = drawn(*tracer.arguments())
            graph = tracer.graph(results)
            for stage in stages(graph, dispatch.chooser(arrays[0].device, config.current())):
                size = "single" if len(stage.group.members) == 1 else "several"
                kinds[f"{stage.group.kind}, {size}"] += 1
                kinds["several results"] += len(stage.work.outputs) > 1
    print(dict(kinds))
    assert {"pointwise, several", "row, several", "matmul, single", "several results"} <= set(kinds)
    assert min(kinds.values()) >= 5, kinds
