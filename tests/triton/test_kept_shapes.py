"""What is kept while Triton's interpreter runs is what Triton makes anew."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import triton.language as tl
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

from accel.backends.triton_shapes import keep_shapes

ELEMENTS = (tl.float32, tl.int1, tl.bfloat16, tl.uint64, tl.pointer_type(tl.float16))
SHAPES = ([1], [8], [4, 16], [tl.constexpr(2), 8], tl.tuple([4, 2, 1]))


@pytest.fixture
def kept():
    scope = interpreter._LangPatchScope()
    keep_shapes(scope)
    yield
    scope.restore()


def made() -> list[tuple]:
    """What types and tensors say of themselves."""
    found = []
    for element, shape in itertools.product(ELEMENTS, SHAPES):
        its = tl.block_type(element, shape)
        x = tl.tensor(None, its)
        dimensions = [(type(n), n.value) for n in x.shape]
        found.append(
            (its.name, its.numel, list(its.shape), its.scalar, x.type is its, x.dtype, dimensions, x.numel.value)
        )
        found.append((interpreter._get_np_dtype(its), interpreter._get_np_dtype(element)))
    alone = tl.tensor(None, tl.int32)
    return [*found, (len(alone.shape), alone.numel.value, alone.dtype)]


WANTED = made()


@pytest.mark.usefixtures("kept")
def test_types_and_tensors_are_tritons():
    for _ in range(2):
        assert made() == WANTED
    for shape, error in (([3], ValueError), ([2.5], TypeError), ([], TypeError), ([1 << 30], ValueError)):
        for _ in range(2):
            with pytest.raises(error):
                tl.block_type(tl.int8, shape)


def block(*values: int) -> tl.tensor:
    handle = interpreter.TensorHandle(np.array(values, np.int32), tl.int32)
    return tl.tensor(handle, tl.block_type(tl.int32, [len(values)]))


@pytest.mark.usefixtures("kept")
def test_blocks_of_one_shape_stay_and_others_are_broadcast():
    semantic, x, y = interpreter.interpreter_semantic, block(1, 2, 3, 4), block(5, 6, 7, 8)
    assert semantic.broadcast_impl_value(x, y) == (x, y)
    wide, same = semantic.broadcast_impl_value(block(9), y)
    assert same is y and wide.handle.data.tolist() == [9] * 4
    with pytest.raises(ValueError, match="incompatible"):
        semantic.broadcast_impl_value(block(1, 2), y)


def test_overflow_is_looked_for_where_triton_would_say_so(kept, monkeypatch):
    semantic, large = interpreter.interpreter_semantic, block(2**31 - 1, 0)
    with np.errstate(over="ignore"):
        assert semantic.add(large, large, True).handle.data.tolist() == [-2, 0]
    monkeypatch.setattr(semantic.builder, "options", replace(semantic.builder.options, debug=True))
    monkeypatch.setattr(semantic.builder, "create_assert", lambda condition, message: said.append(condition.data.all()))
    said = []
    semantic.add(block(1, 2), block(3, 4), True)
    semantic.add(large, large, True)
    assert said == [True, False]


def test_nothing_stays_behind():
    originals = tl.block_type.__init__, tl.tensor.__init__, vars(TritonSemantic).copy(), interpreter._get_np_dtype
    scope = interpreter._LangPatchScope()
    keep_shapes(scope)
    assert tl.tensor.__init__ is not originals[1]
    scope.restore()
    assert (tl.block_type.__init__, tl.tensor.__init__, vars(TritonSemantic), interpreter._get_np_dtype) == originals
