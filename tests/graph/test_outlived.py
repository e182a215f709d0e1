"""Arrays of a traced function that are used when its trace is over, or elsewhere while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

import accel
from accel import recording
from accel.errors import ArgumentError

OUTSIDE = "cannot be computed with outside its trace"
OVER = "no elements now that its trace is over"


def outlived(device: str) -> accel.Array:
    """A (2, 3) array that its trace left behind."""
    kept = []
    accel.fuse(lambda x: kept.append(x + 1.0) or x * 2.0)(accel.ones((2, 3), dtype="float32", device=device))
    return kept[0]


def added_in_place(x: accel.Array) -> None:
    x += 1.0


COMPUTED: dict[str, Callable[[accel.Array, accel.Array], object]] = {
    "operand": lambda old, x: x + old,
    "beside a scalar": lambda old, x: old * 2.0,
    "view": lambda old, x: accel.exp(old[:, ::-2].T),
    "fold": lambda old, x: accel.sum(old, axis=1),
    "product": lambda old, x: old @ x.T,
    "composed": lambda old, x: accel.nn.softmax(old),
    "fused": lambda old, x: accel.fuse(lambda a, b: a + b)(x, old),
    "no elements": lambda old, x: old[:0] + 1.0,
    "out": lambda old, x: added_in_place(old),
    "assigned": lambda old, x: x.__setitem__(0, old[0]),
    "assigned to": lambda old, x: old.__setitem__((0, 0), 1.0),
    "reshaped": lambda old, x: accel.reshape(old.T, (6,)),
}

READ: dict[str, Callable[[accel.Array], object]] = {
    "array": np.asarray,
    "printed": str,
    "shown": repr,
    "scalar": lambda old: float(old[0, 0]),
    "condition": lambda old: bool(old[0, 0]),
    "rows": lambda old: [float(x) for x in old[0]],
}


@pytest.mark.parametrize("fusion", ["on", "off"])
def test_on_every_device_it_is_one_error(target, fusion):
    with target.in_force() as device, accel.config(fusion=fusion):
        check(str(device))


def test_on_the_null_device():
    check("null:0")


def check(device: str) -> None:
    with accel.config(fusion="on"):
        old = outlived(device)
    x = accel.ones((2, 3), dtype="float32", device=device)
    for use in COMPUTED.values():
        use(accel.ones((2, 3), dtype="float32", device=device), x)  # the control, after which there is a plan
        for _ in range(2):
            with pytest.raises(ArgumentError, match=OUTSIDE):
                use(old, x)
        with recording.recording(run=True), pytest.raises(ArgumentError, match=OUTSIDE):
            use(old, x)
    with accel.config(fusion="on"), pytest.raises(ArgumentError, match="writing into an array cannot be traced"):
        accel.fuse(added_in_place)(x)
    for read in READ.values():
        with pytest.raises(ArgumentError, match=OVER):
            read(old)


def test_in_a_later_trace():
    old = outlived("cpu")
    with pytest.raises(ArgumentError, match="another trace, which is over"):
        accel.fuse(lambda x: x + old)(accel.ones((2, 3)))


def test_eight_threads_use_an_array_while_it_is_traced_and_afterwards():
    kept: list[accel.Array] = []
    found: list[str] = []
    began, ended, done = threading.Event(), threading.Event(), threading.Barrier(9)

    def use(read: Callable[[accel.Array], object]) -> None:
        try:
            read(kept[0])
            found.append("nothing was raised")
        except ArgumentError as error:
            found.append(str(error))

    def work() -> None:
        began.wait()
        use(lambda x: x + 1.0)
        use(np.asarray)
        done.wait()
        ended.wait()
        use(lambda x: x + 1.0)
        use(np.asarray)
        done.wait()

    def traced(x: accel.Array) -> accel.Array:
        kept.append(x * 3.0)
        began.set()
        done.wait()
        return kept[0] + 1.0

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    result = accel.fuse(traced)(np.ones((2, 3), np.float32))
    ended.set()
    done.wait()
    for thread in threads:
        thread.join()
    assert result.tolist() == [[4.0] * 3] * 2
    assert sum(OUTSIDE in text for text in found) == 16
    assert sum("while a function is traced" in text for text in found) == 8
    assert sum(OVER in text for text in found) == 8
