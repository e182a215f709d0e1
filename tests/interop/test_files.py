"""Files of arrays: what NumPy writes and reads, memory that is mapped, and files that are none."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.dtypes import TABLE


def elements(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 2, shape).astype(TABLE[dtype].numpy)


@pytest.mark.parametrize("dtype", TABLE)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_numpy_reads_what_we_write_and_we_what_it_writes(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    x = elements(dtype, shape)
    accel.save(tmp_path / "ours", accel.asarray(x, device="cpu"))
    np.save(tmp_path / "numpys", x)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()
    back = np.load(tmp_path / "ours.npy")
    if dtype == "bfloat16":
        back = back.view(ml_dtypes.bfloat16)
    assert back.dtype == x.dtype and np.array_equal(back, x)
    got = accel.load(str(tmp_path / "numpys.npy"), device="cpu")
    assert isinstance(got, accel.Array) and got.dtype.name == dtype and np.array_equal(np.asarray(got), x)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", ">i4", "<f8"])
def test_layouts_and_byte_orders(tmp_path: Path, dtype: str, order: str) -> None:
    made = np.arange(12).reshape(3, 4).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    x = np.array(made, order=order)
    np.save(tmp_path / "x.npy", x)
    for mode in (None, "r"):
        got = accel.load(tmp_path / "x.npy", mmap_mode=mode, device="cpu")
        assert np.array_equal(np.asarray(got).astype(np.float64), x.astype(np.float64))
    accel.save(tmp_path / "y.npy", got)
    assert np.array_equal(np.asarray(accel.load(tmp_path / "y.npy")), np.asarray(got))


def test_views_and_arrays_of_other_kinds(tmp_path: Path) -> None:
    x = accel.asarray(np.arange(24.0).reshape(4, 6), device="cpu")
    for part in (x[::2, ::-1], x.T, accel.broadcast_to(x[:1], (4, 6)), np.asarray(x)[1:]):
        accel.save(tmp_path / "x.npy", part)
        assert np.array_equal(np.load(tmp_path / "x.npy"), np.asarray(part))
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    accel.save(tmp_path / "x.npy", torch.arange(5))
    assert np.load(tmp_path / "x.npy").tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("save", [accel.savez, accel.savez_compressed])
def test_archives(tmp_path: Path, save: Any) -> None:
    x, y = np.arange(1000), elements("bfloat16", (3, 2))
    save(tmp_path / "both", accel.asarray(x, device="cpu"), named=accel.asarray(y, device="cpu"))
    with np.load(tmp_path / "both.npz") as found:
        assert set(found) == {"arr_0", "named"} and np.array_equal(found["arr_0"], x)
    numpys = {accel.savez: np.savez, accel.savez_compressed: np.savez_compressed}[save]
    numpys(tmp_path / "numpys.npz", x, named=y)
    for name in ("both", "numpys"):
        with accel.load(tmp_path / f"{name}.npz", device="cpu") as archive:
            assert set(archive) == {"arr_0", "named"} and len(archive) == 2 and "named" in archive
            assert np.array_equal(np.asarray(archive["arr_0"]), x) and archive["named"].dtype is accel.bfloat16
            with pytest.raises(KeyError):
                archive["absent"]
            assert "arr_0" in repr(archive)
    small = (tmp_path / "both.npz").stat().st_size
    assert (small < 3000) == (save is accel.savez_compressed)


def test_open_files() -> None:
    file = io.BytesIO()
    accel.save(file, np.arange(3))
    accel.save(file, np.ones(2))
    file.seek(0)
    assert accel.load(file).tolist() == [0, 1, 2] and accel.load(file).tolist() == [1.0, 1.0]
    file = io.BytesIO()
    accel.savez(file, a=np.arange(3))
    file.seek(0)
    assert accel.load(file)["a"].tolist() == [0, 1, 2]


# memory that is mapped


def test_a_mapped_file_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    x = accel.load(path, mmap_mode="r")
    assert str(x.device) == "cpu"
    with pytest.raises(accel.ArgumentError, match="read-only"):
        x[0] = 1.0
    with path.open("r+b") as file:
        file.seek(-8, 2)
        file.write(np.float64(77).tobytes())
    assert float(x[1, 2]) == 77.0, "the memory is the file's"
    assert accel.sum(x * 2).item() == 2 * (0 + 1 + 2 + 3 + 4 + 77)
    view = x[1]
    del x
    assert view.tolist() == [3.0, 4.0, 77.0]


def test_what_is_written_goes_to_the_file_or_stays_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(3))
    private = accel.load(path, mmap_mode="c")
    private[0] = 5.0
    assert np.load(path).tolist() == [0.0, 0.0, 0.0] and private.tolist() == [5.0, 0.0, 0.0]
    shared = accel.load(path, mmap_mode="r+")
    shared[1] = 7.0
    assert np.load(path).tolist() == [0.0, 7.0, 0.0]


def test_a_mapped_file_without_elements(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 3)))
    assert accel.load(tmp_path / "x.npy", mmap_mode="r").shape == (0, 3)


# bad input


def loaded(content: bytes) -> Any:
    return accel.load(io.BytesIO(content), device="cpu")


def written(x: Any, save: Any = np.save) -> bytes:
    file = io.BytesIO()
    save(file, x)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", accel.FileError, "No data left"),
        (b"hello world", accel.FileError, "neither .npy nor .npz"),
        (pickle.dumps([1, 2]), accel.FileError, "pickled"),
        (
            written(np.array([1, "a"], object), lambda f, x: np.save(f, x, allow_pickle=True)),
            accel.FileError,
            "pickled",
        ),
        (written(np.arange(9))[:-5], accel.FileError, "load: file"),
        (written(np.arange(9))[:20], accel.FileError, "load: file"),
        (written(np.arange(9), np.savez)[:-30], accel.FileError, "zip"),
        (written(np.array(["text"])), accel.DtypeError, "load: file"),
        (written(np.zeros(2, "V5")), accel.DtypeError, "load: file"),
        (written(np.zeros(2, "M8[s]")), accel.DtypeError, "load: file"),
    ],
)
def test_contents_that_are_no_arrays(content: bytes, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        loaded(content)


@given(st.sampled_from([np.save, np.savez]), st.data())
def test_damaged_files_are_refused_or_read(save: Any, data: Any) -> None:
    """Whatever byte is wrong, an error of ours names the file, unless it was one of the elements."""
    content = bytearray(written(np.arange(5.0), save))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = loaded(bytes(content))
        for x in found.values() if isinstance(found, accel.files.Archive) else [found]:
            assert isinstance(x, accel.Array)
    except (accel.FileError, accel.DtypeError, accel.OutOfMemoryError) as error:
        assert "load: file" in str(error)
    except OSError:  # a zip that says it begins before its first byte
        assert save is np.savez


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda path: accel.load(path / "absent.npy"), FileNotFoundError, "absent"),
        (lambda path: accel.load(path / "absent.npy", mmap_mode="r"), FileNotFoundError, "absent"),
        (lambda path: accel.load(3), accel.ArgumentError, "load: file: expected a path"),
        (lambda path: accel.load(np.zeros(3)), accel.ArgumentError, "load: file: expected a path"),
        (lambda path: accel.load(path / "x.npy", mmap_mode="w"), accel.ArgumentError, "load: mmap_mode"),
        (lambda path: accel.load(io.BytesIO(), mmap_mode="r"), accel.ArgumentError, "load: file: expected a path"),
        (lambda path: accel.load(path / "x.npz", mmap_mode="r"), accel.FileError, "load: file"),
        (lambda path: accel.load(path / "x.npy", mmap_mode="r", device="null:0"), accel.ArgumentError, "mmap_mode"),
        (lambda path: accel.load(path / "x.npy", device="gpu:7"), accel.AccelError, "gpu"),
        (lambda path: accel.save(path / "y", [1, 2]), accel.ArgumentError, "save: x"),
        (lambda path: accel.save(7, np.zeros(2)), accel.ArgumentError, "save: file"),
        (lambda path: accel.save(path / "a" / "b", np.zeros(2)), FileNotFoundError, "b.npy"),
        (lambda path: accel.savez(path / "y", np.zeros(2), arr_0=np.zeros(2)), accel.ArgumentError, "savez: arr_0"),
        (lambda path: accel.savez(path / "y", named="text"), accel.ArgumentError, "savez: named"),
        (lambda path: accel.savez(None, np.zeros(2)), accel.ArgumentError, "savez: file"),
    ],
)
def test_errors(tmp_path: Path, call: Any, kind: Any, words: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros(2))
    np.savez(tmp_path / "x.npz", np.zeros(2))
    with pytest.raises(kind, match=words):
        call(tmp_path)
