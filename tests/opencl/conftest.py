"""Devices for the tests of the OpenCL backend: each CPU device in its own geometry and in the GPUs', and GPUs where
there are any."""

from __future__ import annotations

import re
from typing import Any

import pytest
from guard_pages import guard

import accel
from accel import registry

DEVICES = ("intel", "pocl")

SLOW = re.compile(
    r"every_scheme\[pocl-\w+-(?!sum-float16|sum-int8|max-float32|argmax-float32)"
    r"|past_every_edge\[pocl-\w+-(?!float32|int8)"
    r"|direct_products_past_every_edge\[pocl-(?!float32|int8|bfloat16)"
    r"|lanes_and_blocks\[pocl-\w+-(?!65|4097)"
    r"|(wide_offsets|three_levels|several_dtypes).*pocl-lanes"
    r"|((reduce|pointwise)_compiles|(softmax_of_rows|attention|convolution|quantized_matmul)_compiles_\w+)\[.*tgllp"
    r"|(programs|layouts|columns|softmax_\w+|layer_norm_\w+|folds_of_\w+)\[intel-loops"
    r"|(that_fill_\w+|with_strides)\[intel-loops"
    r"|(test_programs|layouts|columns|every_fold|softmax_of_\w+|layer_norm_\w+|folds_of_\w+)\[pocl-lanes"
    r"|(of_rows|with_strides)\[pocl-lanes"
    r"|every_class\[pocl-lanes-(?!4$|1000$|4097$)"
    r"|test_(attention|convolution|quantized_matmul)_compiles_without_spills\[.*(tgllp|pvc)"
    r"|main_loop\[(bfloat16|uint8|(?!float16).*small|.*small-pvc)|(packing|epilogues_and_wide_\w+|be_said_again)\[pvc"
    r"|test_block_reads\[(?!rows trans\w+-(float16|int8)-\w+-large)|element_by_element\[bfloat16"
    r"|every_element_is_in_its_lane\[(dg2-(bfloat16|int8)|pvc-(float16|uint8))|test_every_tile\[(pvc|dg2-small)"
    r"|runs_of_every_class\[(pocl-(?!float32)|intel-(bool|uint32|int64))|strided_rows\[pocl|any_number_of_runs\[pocl-[25]"
    r"|any_number_of_runs\[intel-[25]|both_geometries\[(pocl|intel-loops)|first_places\[pocl"
    r"|rows_of_one_block\[(pocl-(?!float32-cumulative_sum)|intel-(?!float32|int32-cumulative_sum))"
    r"|rows_and_elements\[(pocl-(?!loops-float32)|intel-lanes|intel-loops-(?!int8|float32))"
    r"|of_range_gives_zero\[(pocl-lanes|intel-lanes)|long_rows_by_sub_groups\[4096"
    r"|test_grouped_matmul\[(pocl-(?!loops-float32)|intel-\w+-int8|intel-lanes-float16)"
    r"|random_programs\[pocl-\w+-[2-9]|windows_\w+\[(intel-lanes|pocl-lanes|pocl-loops-(?!no mult|gaps))"
    r"|have_the_canonical_bits\[(pocl-[48]|intel-8)|joined_in_order\[(pocl-loops-(?!unseen)|intel-loops-(window|float64))"
    r"|(test_programs\[pocl-\w+-(?!cross_entropy)|every_fold\[pocl-\w+-(?!float32)|dtypes\[pocl-\w+-(?!float16))"
    r"|by_width\[(pocl-(?!loops-add)|intel-lanes-(?!add)|intel-loops-multiply)"
    r"|by_dtype\[(?!gpu|intel-loops-uint8)|by_layout\[(?!gpu|intel-loops)"
    r"|rows_of_blocks\[(pocl|intel-lanes)|any_views\[pocl"
)
"""Tests whose compilation takes long and that others nearly cover: PoCL compiles a program in half a second."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "opencl" in item.nodeid and SLOW.search(item.name):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def backend() -> Any:
    """The backend, started; skips with the reason where it cannot be."""
    reason = registry.unavailable("opencl")
    if reason is not None:
        pytest.skip(reason)
    return registry.backend("opencl")


def find(backend: Any, name: str) -> Any:
    """The device of a selector; skips where it is not there."""
    device = backend.device(name)
    if device is None:
        have = ", ".join(d.description for d in backend.devices())
        pytest.skip(f"there is no OpenCL device {name!r} here; there are: {have}")
    return device


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, backend: Any) -> accel.Device:
    """Each CPU device."""
    return find(backend, request.param)


@pytest.fixture(
    scope="session",
    params=[*[(name, geometry) for name in DEVICES for geometry in ("loops", "lanes")],
            pytest.param(("gpu", "lanes"), marks=pytest.mark.gpu)],
    ids=lambda p: "-".join(p),
)  # fmt: skip
def variant(request: pytest.FixtureRequest, backend: Any) -> accel.Device:
    """A device whose kernels have one geometry: a queue of its own on the device's context, with the geometry set by
    force. On CPUs, what reads past the end of a buffer ends the process (see guard_pages.py)."""
    import pyopencl as cl

    name, geometry = request.param
    if name == "gpu":
        base = next(d for d in backend.devices() if d.kind == "gpu")
    else:
        base = find(backend, name)
    device = backend.adopt(cl.CommandQueue(base.context))
    device.geometry = geometry
    if name != "gpu":
        guard(device)
    return device
