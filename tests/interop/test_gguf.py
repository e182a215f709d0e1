"""Files of GGUF: blocks are taken apart as the format's own library does it, and broken files are named.

fixtures/blocks.gguf was written by gguf 0.19: random blocks of each type, and beside each what its dequantize makes of
them, in float32.
"""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel import gguf, nn
from accel.errors import ArgumentError, DtypeError, FileError, ShapeError
from accel.ops.gguf_blocks import BLOCKS

BLOCKS_FILE = Path(__file__).parents[1] / "fixtures" / "blocks.gguf"
QUANTISED = ("Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
DEVICES = [d.name for d in accel.devices() if d.name == "cpu" or d.name.startswith("opencl")]


@pytest.fixture(scope="module")
def file() -> gguf.File:
    return gguf.read(BLOCKS_FILE)


def blocks(rng: np.random.Generator, kind: str, n: int, k: int) -> np.ndarray:
    """Random blocks whose scales are finite."""
    block = BLOCKS[kind]
    raw = rng.integers(0, 256, (n, k // block.elements, block.bytes), dtype=np.uint8)
    scales = rng.standard_normal((*raw.shape[:2], 2)).astype("<f2").view(np.uint8)
    at = {"Q6_K": slice(208, 210), "Q4_0": slice(0, 2), "Q8_0": slice(0, 2)}.get(kind, slice(0, 4))
    raw[..., at] = scales[..., : at.stop - at.start]
    return raw.reshape(n, -1)


def test_metadata_are_read(file: gguf.File) -> None:
    its = dict(file.metadata)
    assert its.pop("numbers").tolist() == [1, 2, 3]
    assert its == {
        "general.architecture": "blocks", "answer": 42, "word": "tést", "words": ["a", "bc"], "half": 0.5, "yes": True,
    }  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", QUANTISED)
def test_blocks_are_what_the_formats_library_makes_of_them(file: gguf.File, kind: str, device: str) -> None:
    tensor, want = file.tensors[kind], np.asarray(file.tensors[f"{kind}.float"].array())
    assert tensor.kind == kind and tensor.shape == want.shape == (2, 256)
    assert np.array_equal(np.asarray(tensor.array(device)), want)
    raw = tensor.data()
    raw[-3] ^= 1
    changed = nn.PackedWeight.from_gguf(raw, tensor.shape, kind, device=device)
    assert not np.array_equal(np.asarray(changed.dequantize()), want)


def test_floats_are_read_as_they_are(file: gguf.File) -> None:
    vector = file.tensors["vector"].array()
    assert vector.dtype is accel.float16 and np.array_equal(np.asarray(vector), np.arange(7))
    whole = file.tensors["Q8_0.float"].packed()
    assert not whole.is_quantized and whole.dtype is accel.float32 and whole.shape == (2, 256)


@pytest.mark.parametrize("kind", QUANTISED)
def test_bytes_are_hardly_more_than_the_files(kind: str) -> None:
    raw = blocks(np.random.default_rng(0), kind, 64, 2048)
    nbytes = nn.PackedWeight.from_gguf(raw, (64, 2048), kind).nbytes
    assert nbytes <= {"Q5_K": 1.57, "Q6_K": 1.31, "Q4_K": 1.03}.get(kind, 1) * raw.size


@given(
    st.sampled_from(QUANTISED), st.integers(0, 9), st.integers(1, 130), st.integers(1, 3),
    st.sampled_from(("float32", "float16", "bfloat16")), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_linear_has_the_bits_of_the_weight_in_float(
    kind: str, m: int, n: int, count: int, dtype: str, seed: int
) -> None:
    rng, k = np.random.default_rng(seed), BLOCKS[kind].elements * count
    packed = nn.PackedWeight.from_gguf(blocks(rng, kind, n, k).tobytes(), (n, k), kind)
    x = rng.standard_normal((m, k)).astype(accel.asarray(0.0, dtype=dtype).dtype.numpy)
    want = accel.astype(nn.linear(accel.asarray(x, dtype=accel.float32), packed.dequantize()), dtype)
    assert np.array_equal(np.asarray(nn.linear(x, packed)), np.asarray(want))


WRONG_BLOCKS = (
    (lambda raw: nn.PackedWeight.from_gguf(raw, (2, 64), "Q2_K"), ArgumentError, "kind.*Q4_0.*Q2_K"),
    (lambda raw: nn.PackedWeight.from_gguf(raw, (2, 48), "Q4_0"), ShapeError, "shape.*32.*48"),
    (lambda raw: nn.PackedWeight.from_gguf(raw, (2, 64, 1), "Q4_0"), ShapeError, "shape"),
    (lambda raw: nn.PackedWeight.from_gguf(raw, (2, -64), "Q4_0"), ShapeError, "shape"),
    (lambda raw: nn.PackedWeight.from_gguf(raw[:-1], (2, 64), "Q4_0"), ShapeError, "data.*72 bytes.*71"),
    (lambda raw: nn.PackedWeight.from_gguf(raw.astype(np.int8), (2, 64), "Q4_0"), DtypeError, "data.*int8"),
    (lambda raw: nn.PackedWeight.from_gguf("raw", (2, 64), "Q4_0"), ArgumentError, "data.*bytes"),
    (lambda raw: nn.PackedWeight.from_gguf(raw, (2, 64), 2), ArgumentError, "kind"),
)


@pytest.mark.parametrize(("call", "error", "words"), WRONG_BLOCKS)
def test_wrong_blocks_are_named(call: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call(blocks(np.random.default_rng(1), "Q4_0", 2, 64).reshape(-1))


def test_tensors_that_cannot_be_read_are_named(file: gguf.File) -> None:
    with pytest.raises(FileError, match=r"blocks\.gguf: tensor Q2_K is of type 10; .*Q4_K"):
        file.tensors["Q2_K"].array()
    with pytest.raises(FileError, match=r"tensor vector is no weight \(out, in\).*\(7,\)"):
        file.tensors["vector"].packed()


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def entry(name: str, shape: tuple[int, ...], kind: int = 2, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def whole(*entries: bytes, keys: tuple[bytes, ...] = (), data: int = 36, version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(entries), len(keys)) + b"".join((*keys, *entries))
    return head + bytes(-len(head) % 32 + data)


DEEP = string("deep") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9
BROKEN = (
    (b"", "the header: 4 bytes"),
    (b"GGML" + bytes(40), "this is no .gguf file"),
    (whole(version=1), "version 1: expected 2 or 3"),
    (whole(version=0x3000000), "version .*little-endian"),
    (whole(entry("w", (64, 1)), data=35), "tensor w: ends at byte .*the file ends at byte"),
    (whole(entry("w", (64, 1), offset=32)), "tensor w: ends at byte"),
    (whole(entry("w", (64, 1), offset=1)), "tensor w: begins at byte 1.*multiple of 32"),
    (whole(entry("w", (48, 1))), "tensor w: rows of 48 elements: Q4_0 has blocks of 32"),
    (whole(entry("w", (64, 2**62))), "tensor w: ends at byte"),
    (whole(entry("w", (64, 1)), entry("w", (64, 1))), "tensor w: is there twice"),
    (whole(entry("w", (32, 1, 1, 1, 1))), "tensor w: 5 axes: expected 4"),
    (whole(entry("w", (64, 1)))[:60], "tensor w: .*the file ends at byte 60"),
    (whole(entry(b"\xff", (64, 1))), "expected UTF-8"),
    (whole(keys=(string("k") + struct.pack("<I", 77),)), "metadata k: type 77 is unknown"),
    (whole(keys=(string("k") + struct.pack("<IIQ", 9, 6, 2**63),)), "metadata k: .* bytes from byte"),
    (whole(keys=(string("k") + struct.pack("<IQ", 8, 2**40),)), "metadata k: "),
    (whole(keys=(DEEP,)), "metadata deep: more than 4 arrays"),
    (whole(keys=(string("general.alignment") + struct.pack("<II", 4, 24),)), "general.alignment: .*power of two.*24"),
)


@pytest.mark.parametrize(("raw", "words"), BROKEN)
def test_broken_files_are_named(raw: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(raw)
    with pytest.raises(FileError, match=rf"broken\.gguf: .*{words}"):
        gguf.read(path)


def test_the_made_files_would_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "whole.gguf"
    path.write_bytes(whole(entry("w", (64, 1)), keys=(string("k") + struct.pack("<Ib", 1, -3),)))
    its = gguf.read(path)
    assert its.metadata == {"k": -3} and its.tensors["w"].packed().shape == (1, 64)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileError, match="tensor w has 36 bytes, of which 35 are left"):
        its.tensors["w"].packed()


def test_no_beginning_of_a_file_is_one(tmp_path: Path) -> None:
    raw = BLOCKS_FILE.read_bytes()
    path = tmp_path / "short.gguf"
    for length in (*range(0, 900, 7), *range(900, len(raw) - 32, 501)):
        path.write_bytes(raw[:length])
        with pytest.raises(FileError):
            gguf.read(path)
