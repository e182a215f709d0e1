"""Graphs of one form are grouped once, and what is taken over from another is what would have been made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_functions import draw
from tracing import traced

import accel
from accel.graph import alike, group
from accel.graph.arrange import arranged
from accel.testing.draw import Draw

nn = accel.nn
OTHER = {1: 1, 2: 4, 3: 6, 5: 7, 8: 9, 64: 70, 67: 71}
"""For each length that a random function's arrays may have, another one."""


def told(part: alike.Part) -> str:
    its = part.group
    members = (its.kind, its.members, its.lengths, its.reduced, sorted(its.places.items()), its.ended, its.boxes)
    return repr((members, part.work, part.why))


def pair(seed: int) -> list:
    """The graphs of one random function on arrays of two sets of lengths."""
    drawn = draw(Draw.seeded(seed, 16), 16)
    other = replace(drawn, inputs=tuple((tuple(OTHER[n] for n in shape), dtype) for shape, dtype in drawn.inputs))
    return [arranged(traced(drawn, *map(accel.asarray, its.arrays()))) for its in (drawn, other)]


def test_parts_that_are_taken_over_are_those_that_would_be_made():
    taken = several = 0
    for seed in range(160):
        try:
            first, second = pair(seed)
        except accel.AccelError:  # a slice or another shape that the other lengths do not have
            continue
        alike.forget()
        alike.parts(first, frozenset(), {})
        got = alike.parts(second, frozenset(), {})
        assert list(map(told, got)) == list(map(told, alike.made(second, frozenset(), {})))
        same = alike.form(first, frozenset())[0] == alike.form(second, frozenset())[0]
        taken += same
        several += same and any(len(part.group.members) > 1 for part in got)
    assert taken > 40 and several > 25, (taken, several)


def test_numbers_of_another_graph_are_seen(monkeypatch):
    """The control: lengths and strides as the first graph had them."""
    wrong = lambda graph, known, before, numbers: known  # noqa: E731
    monkeypatch.setattr(alike, "_taken_over", wrong)
    with pytest.raises(AssertionError):
        test_parts_that_are_taken_over_are_those_that_would_be_made()


def test_a_form_says_which_numbers_are_equal():
    def key(*shape):
        x = accel.ones(shape, dtype="float32")
        return alike.form(traced(lambda x: nn.softmax(x, axis=-1), x), frozenset())[0]

    assert key(4, 6) == key(5, 7)
    assert key(4, 6) != key(6, 6)
    assert key(4, 6) != key(1, 6)
    assert key(4, 6) != key(2, 4, 6)
    transposed = accel.ones((6, 4), dtype="float32").T
    assert alike.form(traced(nn.softmax, transposed), frozenset())[0] != key(4, 6)
    assert alike.form(traced(nn.softmax, transposed), frozenset({"exp"}))[0] != key(4, 6)


def test_a_layout_of_a_known_form_is_grouped_no_more(monkeypatch):
    def call(n):
        rng = np.random.default_rng(n)
        x, w = rng.standard_normal((3, n)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
        got = nn.layer_norm(x, (n,), w, w)
        with accel.config(fusion="off"):
            np.testing.assert_array_equal(got, nn.layer_norm(x, (n,), w, w))
        return nn.cross_entropy(x, np.arange(3))

    call(1009)
    grouped = []
    run = group._Grouping.run
    monkeypatch.setattr(group._Grouping, "run", lambda self: grouped.append(self) or run(self))
    for n in (1013, 1019, 1021):
        call(n)
    assert not grouped
    nn.softmax(np.ones((2, 2, 2, 2, 1031), np.float32), axis=2)  # the control
    assert len(grouped) == 1
