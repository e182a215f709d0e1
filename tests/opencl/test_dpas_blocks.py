"""Products on the matrix units of Intel's GPUs that read matrices as they lie by block reads of two axes, with the
built-ins written out in OpenCL C, on Intel's CPU runtime. What ocloc makes of them: test_dpas_code.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dpas_block_reads import block_read_written_out
from dpas_built_ins import written_out
from guard_pages import guard
from hypothesis import given, settings
from hypothesis import strategies as st

import accel
from accel.backends import opencl_query
from accel.dtypes import TABLE
from accel.kernels.opencl import dpas, dpas_reads
from accel.ops import canonical
from accel.testing.compare import differing, guarded

DTYPES = (("float16", "float32"), ("bfloat16", "bfloat16"), ("int8", "int32"), ("uint8", "int16"))

LAYOUTS = ("rows", "columns")
"""Which axis of a matrix lies without gaps: the last one, or the one before."""


@pytest.fixture(scope="module")
def units(backend: Any) -> Any:
    """A CPU device that is asked for sub-groups of Data Center Max, which reads blocks of two axes."""
    import pyopencl as cl

    base = backend.device("intel")
    if base is None or not base.shuffles(16):
        pytest.skip("no OpenCL CPU device here has sub-groups of 16 that exchange registers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpas, "declaration", written_out)
        patch.setattr(dpas_reads, "declaration", block_read_written_out)
        patch.setattr(dpas, "choose", lambda *given: dpas.Tiles(2, 2))
        device = backend.adopt(cl.CommandQueue(base.context))
        device.geometry, device.matrix_lanes, device.reads_blocks = "lanes", 16, True
        yield device
    accel.dispatch.forget()


@pytest.fixture
def seen(units: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is compiled from here on: of each kernel its name and, of `multiply`, where a's and b's tiles come from."""
    found: list[str] = []
    kernel = units.kernel

    def noted(name: str, source: str, function: str, *more: Any) -> Any:
        found.append(" ".join((function, *forms_in(source))) if function == "multiply" else function)
        return kernel(name, source, function, *more)

    monkeypatch.setattr(units, "kernel", noted)
    accel.dispatch.forget()
    yield found
    accel.dispatch.forget()


def forms_in(source: str) -> list[str]:
    forms = []
    for side in ("READ_LEFT", "READ_RIGHT"):
        (line,) = (line for line in source.splitlines() if line.startswith(f"#define {side}("))
        kinds = {"GATHER": dpas_reads.ELEMENTS, "transform": dpas_reads.B_ROWS, "transpose": dpas_reads.B_COLUMNS,
                 "2d_block": dpas_reads.A_ROWS}  # fmt: skip
        forms.append(next((form for word, form in kinds.items() if word in line), dpas_reads.PACKED))
    return forms


def matrix(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], order: str = "rows", gap: int = 0
) -> np.ndarray:
    """Random numbers, behind each row (column) of which there is a gap of so many elements whose bytes are all 1s."""
    row = TABLE[dtype]
    *batch, m, n = shape
    lines, length = (m, n) if order == "rows" else (n, m)
    size = (*batch, lines, length)
    memory = np.full(
        (*batch, lines, length + gap), -1 if row.kind == "f" else 255, np.int16 if row.kind == "f" else np.uint8
    )
    memory = memory.view(row.numpy)
    if row.kind == "f":
        memory[..., :length] = rng.standard_normal(size).astype(row.numpy)
    else:
        low, high = np.iinfo(row.numpy).min, np.iinfo(row.numpy).max
        memory[..., :length] = rng.integers(low, high, size, row.numpy, endpoint=True)
    made = memory[..., :length]
    return made if order == "rows" else made.swapaxes(-1, -2)


def product(device: Any, a: np.ndarray, b: np.ndarray, output: str, leads: tuple[int, int] = (0, 0)) -> np.ndarray:
    """leads: elements by which a and b begin behind a multiple of 64 bytes."""
    placed = [guarded(x, device, lead).array for x, lead in zip((a, b), leads, strict=True)]
    assert accel.explain("matmul", *placed, dtype=TABLE[output]).runs == "opencl.dpas"
    return np.asarray(accel.matmul(*placed, dtype=TABLE[output]))


def check(device: Any, a: np.ndarray, b: np.ndarray, output: str, leads: tuple[int, int] = (0, 0)) -> None:
    """The written-out built-in adds in the canonical order, so that the bits are those of ``reproducible``."""
    got = product(device, a, b, output, leads)
    assert not differing(got, canonical.matmul(a, b, TABLE[output])).any()


@pytest.mark.parametrize("order", LAYOUTS)
@pytest.mark.parametrize(("dtype", "output"), DTYPES, ids=str)
def test_nothing_is_packed(units: Any, seen: list[str], dtype: str, output: str, order: str) -> None:
    """Past every edge of tiles, pairs of tiles, sub-groups and work-groups; a row of 64 bytes; more than two chunks."""
    rng = np.random.default_rng(1)
    for m, n, k in ((75, 160, 592), (17, 304, 64), (150, 64, 272), (40, 80, 80)):
        check(units, matrix(rng, dtype, (m, k)), matrix(rng, dtype, (k, n), order), output)
    form = dpas_reads.B_ROWS if order == "rows" else dpas_reads.B_COLUMNS
    assert set(seen) == {f"multiply rows {form}"}


@pytest.mark.parametrize(("dtype", "output"), DTYPES[::2], ids=str)
def test_one_is_packed(units: Any, seen: list[str], dtype: str, output: str) -> None:
    """Panels of b have pairs of tiles, too, where a is read by pairs; those of a need none."""
    rng = np.random.default_rng(2)
    for k in (80, 272, 528):
        a, b = matrix(rng, dtype, (40, k)), matrix(rng, dtype, (k, 64))
        check(units, a, b[:, ::-1], output)
        check(units, matrix(rng, dtype, (40, k), "columns"), b, output)
        check(units, matrix(rng, dtype, (40, k), "columns"), matrix(rng, dtype, (k, 64), "columns"), output)
    assert set(seen) - {"pack"} == {"multiply rows packed", "multiply packed transform", "multiply packed transpose"}


def test_batches(units: Any, seen: list[str]) -> None:
    """Matrices that one begins behind the other, with gaps between them, or that are repeated."""
    rng = np.random.default_rng(3)
    for left, right in (((3, 1, 20, 64), (2, 64, 64)), ((20, 64), (3, 64, 64)), ((2, 3, 20, 64), (3, 64, 64))):
        check(units, matrix(rng, "int8", left), matrix(rng, "int8", right), "int32")
        check(units, matrix(rng, "float16", left, gap=32), matrix(rng, "float16", right, "columns", 32), "float32")
    assert "pack" not in seen
    a, b = matrix(rng, "int8", (2, 19, 80)), matrix(rng, "int8", (2, 80, 64))  # 1520 bytes from one to the next
    check(units, a, b, "int32")
    assert seen[-2:] == ["pack", "multiply packed transform"]


def test_linear(units: Any, seen: list[str]) -> None:
    """A layer's weights lie along k, and are not packed, either."""
    rng = np.random.default_rng(8)
    x, weight, bias = (matrix(rng, "bfloat16", shape)[0] for shape in ((1, 5, 9, 272), (1, 48, 272), (1, 1, 48)))
    placed = [guarded(v, units).array for v in (x, weight, bias[0])]
    got = np.asarray(accel.nn.linear(*placed, activation="silu"))
    with accel.config(numerics="reproducible"):
        want = np.asarray(accel.registry.OPS["linear"].canonical(x, weight, bias[0], activation="silu"))
    assert not differing(got, want).any()
    assert seen == ["multiply rows transpose"]


@pytest.mark.parametrize("order", LAYOUTS)
@pytest.mark.parametrize(("dtype", "output"), DTYPES[::2], ids=str)
def test_where_an_operand_begins(units: Any, seen: list[str], dtype: str, output: str, order: str) -> None:
    """One plan serves arrays that begin anywhere: at multiples of 64 bytes by block reads, else element by element."""
    rng = np.random.default_rng(4)
    a, b = matrix(rng, dtype, (40, 336)), matrix(rng, dtype, (336, 64), order)
    line = 64 // TABLE[dtype].itemsize
    for leads in ((0, 0), (line, 3 * line)):
        check(units, a, b, output, leads)
    assert len(seen) == 1
    for leads in ((1, 0), (0, line // 2), (8, line - 1), (0, 0)):
        check(units, a, b, output, leads)
    assert seen[1:] == ["multiply elements elements"]
    check(units, a, b[:, ::-1], output, (2, 0))
    assert seen[2:] == ["pack", "multiply rows packed", "multiply elements packed"]
    check(units, a[::-1], b, output, (0, 2))
    assert seen[5:] == ["pack", seen[6], "multiply packed elements"]


@settings(max_examples=60)
@given(at=st.data(), seed=st.integers(0, 1 << 20))
def test_any_layout(units: Any, seed: int, at: st.DataObject) -> None:
    """Whatever is read by block reads, or is not: where it may not be, the built-in gives nonsense."""
    dtype, output = at.draw(st.sampled_from(DTYPES))
    many = st.integers(17, 90) | st.integers(2, 6).map(lambda x: 16 * x)
    m, n, k = at.draw(many), at.draw(many), at.draw(st.integers(0, 530) | st.integers(4, 66).map(lambda x: 8 * x))
    rng, placed = np.random.default_rng(seed), []
    batch = at.draw(st.sampled_from(((), (), (2,))))
    for shape in ((m, k), (k, n)):
        order = at.draw(st.sampled_from(LAYOUTS))
        length = shape[-1] if order == "rows" else shape[-2]
        gap = at.draw(st.sampled_from((-length % 64, -length % 64, -length % 16, 0, 1, 8)))
        placed.append(matrix(rng, dtype, (*batch, *shape), order, gap))
    leads = at.draw(st.sampled_from(((0, 0), (64, 0), (0, 32), (1, 0), (8, 64))))
    check(units, *placed, output, leads)


@pytest.mark.parametrize("order", LAYOUTS)
def test_nothing_is_read_past_the_end(units: Any, seen: list[str], order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the host's memory, behind which there is a page that nobody may touch: so a matrix begins at a multiple of 64
    bytes if its size is one."""
    monkeypatch.setattr(units, "allocate", units.allocate)  # which is undone
    guard(units)
    rng = np.random.default_rng(7)
    for m, n, k in ((40, 80, 64), (19, 83, 80)):
        a, stored = (rng.integers(-128, 128, size, np.int8) for size in ((m, k), (k, n) if order == "rows" else (n, k)))
        left, right = (accel.asarray(x, device=units) for x in (a, stored))
        if order == "columns":
            stored, right = stored.T, right.T
        assert not differing(
            np.asarray(accel.matmul(left, right, dtype=accel.int32)), a.astype(np.int32) @ stored
        ).any()
    form = dpas_reads.B_ROWS if order == "rows" else dpas_reads.B_COLUMNS
    again = ["pack", "multiply rows packed"] if order == "rows" else [f"multiply rows {form}"]
    last = "multiply elements packed" if order == "rows" else "multiply elements elements"
    assert seen == [f"multiply rows {form}", *again, last]


@pytest.mark.parametrize("order", LAYOUTS)
def test_numbers_that_are_none(units: Any, seen: list[str], order: str) -> None:
    """Infinities and NaN stay in their rows and columns, also those that lie behind the edges of a matrix."""
    rng = np.random.default_rng(5)
    a, b = matrix(rng, "float16", (19, 48), gap=16), matrix(rng, "float16", (48, 40), order, 24)
    assert all(np.isnan(x.base.view(np.float16)).any() for x in (a, b))
    a[18, 46], a[3, 5], b[46, 38] = np.inf, np.nan, -np.inf
    check(units, a, b, "float32")
    assert len(seen) == 1 and "packed" not in seen[0]


def test_panels_have_whole_pairs_of_tiles(units: Any, seen: list[str]) -> None:
    """Behind the last of five tiles along k there is one of zeros, not the next panel's first."""
    a, b = matrix(np.random.default_rng(6), "float16", (19, 80)), np.full((80, 96), np.float16(1))
    b[:16] = np.nan
    b[:16, 64:] = 1  # panels of 32 columns, the last first
    check(units, a, b[:, ::-1], "float32")
    assert seen == ["pack", "multiply rows packed"]


FAULTS = {
    "rows of a word in turn": ("rows", dpas_reads.B_ROWS, "<< (part *", "<< ((3 - part) *"),
    "not transposed": ("columns", dpas_reads.B_COLUMNS, "x + n, row = coord.y + lane", "x + lane, row = coord.y + n"),
    "blocks in turn": ("rows", dpas_reads.A_ROWS, "to[block * 8 + n]", "to[n * 2 + block]"),
    "past the edges": ("rows", None, "<= width && row >= 0 && row < height", "<= width + 4 && row <= height"),
    "pitch": ("rows", dpas_reads.A_ROWS, "row * pitch", "row * width"),
}  # fmt: skip
"""Order of b, the form whose built-in has it (None: all), what is written there, and what a fault would be."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("dtype", "output"), DTYPES[::2], ids=str)
def test_a_fault_would_be_seen(
    units: Any, seen: list[str], fault: str, dtype: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controls."""
    order, form, said, wrong = FAULTS[fault]
    wrong = wrong.replace("3", str(4 // TABLE[dtype].itemsize - 1))

    def faulty(its: str, operand: Any) -> str:
        text = block_read_written_out(its, operand)
        if form not in (its, None):
            return text
        assert said in text
        return text.replace(said, wrong)

    rng = np.random.default_rng(6)
    a, b = matrix(rng, dtype, (20, 72), gap=24), matrix(rng, dtype, (72, 80), order, 24 if order == "columns" else 16)
    check(units, a, b, output)
    monkeypatch.setattr(dpas_reads, "declaration", faulty)
    accel.dispatch.forget()
    assert differing(product(units, a, b, output), canonical.matmul(a, b, TABLE[output])).any()
    assert len(seen) == 2 and "packed" not in str(seen)


def test_what_is_read_as_it_lies() -> None:
    """The extension's conditions, one by one, of a row-major a of 64 x 64 float16, and of b either way round."""

    def forms(a: tuple[int, ...] = (64, 1), b: tuple[int, ...] = (64, 1), m: int = 64, n: int = 64, k: int = 64) -> Any:
        return dpas_reads.forms(SimpleNamespace(m=m, n=n, k=k, a=a, b=b), TABLE["float16"])

    rows, transform, transpose, packed = dpas_reads.A_ROWS, dpas_reads.B_ROWS, dpas_reads.B_COLUMNS, dpas_reads.PACKED
    assert forms() == (rows, transform)
    assert forms(b=(1, 64)) == (rows, transpose)
    assert forms((1, 64)) == (packed, transform)  # a's columns
    assert forms((64, 2), (64, 2)) == (packed, packed)  # elements that do not lie side by side
    assert forms((-64, 1), (1, -64)) == (packed, packed)
    assert forms((0, 1), (0, 1)) == (packed, packed)
    assert forms((72, 1), (1, 72)) == (rows, transpose)  # multiples of 16 bytes
    assert forms((68, 1), (1, 68)) == (packed, packed)
    assert forms(k=32, n=32) == (rows, transform)  # rows of 64 bytes
    assert forms(k=30, n=30) == (packed, packed)
    assert forms(k=62) == (rows, transform)  # a multiple of 4 bytes
    assert forms(k=61) == (packed, transform)
    assert forms(b=(1, 64), k=61) == (packed, packed)
    most = 1 << 24
    assert forms((most // 2, 1), (1, most // 2), k=most // 2) == (rows, transpose)
    assert forms((most // 2 + 8, 1), (1, most // 2 + 8), k=most // 2) == (packed, packed)
    assert forms(m=most, n=most, b=(1, 64)) == (rows, transpose)
    assert forms(m=most + 1, n=most + 1, b=(1, 64)) == (packed, packed)
    assert forms((4096, 64, 1), (0, 64, 1)) == (rows, transform)  # batches
    assert forms((4096 + 8, 64, 1), (-4096, 64, 1)) == (packed, transform)
    assert forms(k=0) == (packed, packed)


def test_which_devices_read_blocks() -> None:
    """Those with the extension and sub-groups of 16."""
    extensions = [*opencl_query.MATRIX, "cl_intel_subgroup_2d_block_io"]
    assert opencl_query.reads_blocks(extensions, 16)
    assert not opencl_query.reads_blocks(extensions, 8)
    assert not opencl_query.reads_blocks(extensions, None)
    assert not opencl_query.reads_blocks(extensions[:-1], 16)
