"""`accel demo`: right on one device, equal on two, and a difference of one bit is found."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import accel
from accel import demo
from accel.cli.probe import COMPUTING
from accel.demo import compare, data, digits, photograph
from accel.demo.result import Result

pytest.importorskip("sklearn", reason="the demo's data come with scikit-learn")

DIGITS = {1: "d59c95417471a1f3ceb224da8966cf7854486541dacad90a1b09c3285988e7a5"}
"""SHA-256 of the digits' result by version of the bit contract: the same on every device, machine and release."""

CPU = accel.device("cpu")


@pytest.fixture(scope="module")
def classified() -> Result:
    return digits.classify(CPU)


@pytest.fixture(scope="module")
def china() -> Result:
    return photograph.compress("china", CPU)


def test_the_split_is_fixed_and_covers_all():
    train, labels, held_out, truth = data.digits()
    assert train.shape == (1198, 64)
    assert held_out.shape == (599, 64)
    assert len(labels) + len(truth) == 1797
    assert (train.dtype, labels.dtype) == (np.float32, np.int64)


def test_as_accurate_as_scikit_learn(classified):
    from sklearn.neighbors import KNeighborsClassifier

    train, labels, held_out, truth = data.digits()
    unit = [x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (train, held_out)]
    theirs = KNeighborsClassifier(1).fit(unit[0], labels).predict(unit[1])
    ours = classified.arrays["predictions"]
    assert classified.figures["accuracy"] == pytest.approx((theirs == truth).mean(), abs=1 / 599)
    assert (ours != theirs).sum() <= 1, "they may differ where two images are equally far"
    assert classified.figures["accuracy"] > 0.95
    assert classified.figures["right"] == (ours == truth).sum()


def test_distances_are_distances(classified):
    train, _, held_out, _ = data.digits()
    known, asked = (x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True) for x in (train, held_out))
    exact = ((asked[:, None, :] - known[None, :50, :]) ** 2).sum(axis=2)
    assert np.abs(classified.arrays["distances"][:, :50] - exact).max() < 2e-6


def test_the_digits_have_the_bits_of_every_release(classified):
    assert classified.digest() == DIGITS[accel.BIT_CONTRACT]


def test_gram_schmidt_gives_an_orthonormal_basis():
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((12, 40)).astype(np.float32)
    basis = accel.asarray(vectors, device=CPU, copy=True)
    photograph.orthonormalise(basis)
    got = np.asarray(basis, np.float64)
    assert np.abs(got @ got.T - np.eye(12)).max() < 1e-5
    projected = vectors - vectors @ got.T @ got
    assert np.abs(projected).max() < 1e-4, "it spans what the vectors span"


def test_patches_and_back():
    image = np.arange(13 * 10 * 3, dtype=np.uint8).reshape(13, 10, 3)
    patches = photograph.to_patches(accel.asarray(image, device=CPU))
    assert patches.shape == (4, 192)
    assert (np.asarray(photograph.from_patches(patches, image.shape)) == image).all()
    padded = np.pad(image, ((0, 3), (0, 6), (0, 0)), mode="edge").astype(np.float32)
    assert (np.asarray(patches)[3].reshape(8, 8, 3) == padded[8:, 8:]).all()


def test_compression_is_near_the_best_for_its_components(china):
    """Against the eigenvectors of LAPACK in float64, the same number of components and the same step."""
    pixels = data.photograph("china").astype(np.float64)
    padded = np.pad(pixels, ((0, 5), (0, 0), (0, 0)), mode="edge")
    patches = padded.reshape(54, 8, 80, 8, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 192)
    centred = patches - patches.mean(axis=0)
    best = np.linalg.eigh(centred.T @ centred)[1][:, -photograph.COMPONENTS :]
    restored = np.rint(centred @ best / photograph.STEP) * photograph.STEP @ best.T + patches.mean(axis=0)
    error = ((np.clip(np.rint(restored), 0, 255) - patches) ** 2).reshape(54, 80, 8, 8, 3).transpose(0, 2, 1, 3, 4)
    psnr = 10 * np.log10(255**2 / error.reshape(432, 640, 3)[:427].mean())
    assert china.figures["psnr_db"] == pytest.approx(psnr, abs=0.1)
    assert china.figures["psnr_db"] > 28
    assert china.figures["ratio"] > 8


def test_the_figures_are_those_of_the_picture(china):
    pixels = data.photograph("china").astype(np.float64)
    assert china.image.shape == (427, 640, 3)
    psnr = 10 * np.log10(255**2 / ((china.image - pixels) ** 2).mean())
    assert china.figures["psnr_db"] == pytest.approx(psnr, abs=1e-3)
    assert china.arrays["coefficients"].dtype == np.int8
    assert china.arrays["components"].dtype == np.float16


def test_it_writes_the_photographs(tmp_path, here):
    from PIL import Image

    code, out, err = here("demo", "--device", "cpu", "--output", str(tmp_path / "new" / "folder"))
    assert (code, err) == (0, "")
    for name in ("china", "flower"):
        path = tmp_path / "new" / "folder" / f"{name}-compressed.png"
        assert f"written: {path}" in out
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("PNG", (640, 427), "RGB")
            original = data.photograph(name).astype(np.float64)
            assert 1 < np.abs(np.asarray(image) - original).mean() < 10
    assert out.splitlines()[-1].startswith("Two runs on cpu gave the same bits.")


def test_an_output_folder_that_cannot_be_made(tmp_path, here, monkeypatch):
    monkeypatch.setattr(compare, "JOBS", {"china": lambda device: Result("", {}, {}, np.zeros((2, 2, 3), np.uint8))})
    monkeypatch.setattr(demo, "JOBS", compare.JOBS)
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, _, err = here("demo", "--device", "cpu", "--output", str(tmp_path / "file" / "folder"))
    assert code == 2
    assert err.startswith("accel: error: --output: ")


def second_device() -> accel.Device:
    """A computing device of another backend than the CPU's; skips where there is none."""
    found = [device for device in accel.devices() if device.kind in COMPUTING and device.backend != "cpu"]
    if not found:
        pytest.skip("no second device that computes: the extra opencl-cpu brings one")
    return found[0]


def test_two_devices_agree(here, tmp_path):
    other = second_device()
    code, out, _ = here("demo", "--device", "cpu", "--device", str(other), "--output", str(tmp_path), "--json")
    report = json.loads(out)
    assert code == 0, report["disagreements"]
    assert report["agree"] is True
    for job in demo.JOBS:
        rows = [row for row in report["rows"] if row["job"] == job]
        assert [row["device"] for row in rows] == ["cpu", str(other)]
        assert len({row["sha256"] for row in rows}) == 1
        assert rows[0]["figures"] == rows[1]["figures"]
        assert [row["fallbacks"] for row in rows] == [[], []]


def perturbed(result: Result) -> Result:
    """The same with one bit of one distance changed."""
    distances = result.arrays["distances"].copy()
    distances[17, 23] = np.nextafter(distances[17, 23], np.float32(9))
    return dataclasses.replace(result, arrays=result.arrays | {"distances": distances})


def test_one_bit_of_one_device_fails_the_demo(here, tmp_path, monkeypatch):
    other = second_device()

    def classify(device: accel.Device) -> Result:
        result = digits.classify(device)
        return perturbed(result) if device is other else result

    monkeypatch.setitem(compare.JOBS, "digits", classify)
    for job in ("china", "flower", "text"):
        monkeypatch.delitem(compare.JOBS, job)
    code, out, _ = here("demo", "--device", "cpu", "--device", str(other), "--output", str(tmp_path))
    assert code == 1
    assert "The devices do not agree:" in out
    assert f"digits: {other} differs from cpu: distances in 1 of {599 * 1198} elements, by up to " in out


def row(device: str, result: Result | None, *digests: str, error: str | None = None) -> demo.Row:
    return demo.Row("digits", device, result, 0.1, 0.1, digests, (), error)


def test_what_counts_as_disagreement(classified):
    good = classified.digest()
    wrong = perturbed(classified)
    assert demo.disagreements([row("a", classified, good, good), row("b", classified, good, good)]) == []
    (line,) = demo.disagreements([row("a", classified, good, good), row("b", wrong, wrong.digest(), wrong.digest())])
    assert line.startswith("digits: b differs from a: distances in 1 of")
    (line,) = demo.disagreements([row("a", classified, good, "other")])
    assert line == "digits on a: two runs gave different bits"
    lines = demo.disagreements([row("a", None, error="OSError: gone"), row("b", classified, good, good)])
    assert lines == ["digits on a failed: OSError: gone"]
    assert demo.disagreements([row("a", None, error="x"), row("b", None, error="y")]) == [
        "digits on a failed: x",
        "digits on b failed: y",
    ]


def test_the_digest_covers_names_dtypes_shapes_and_bytes():
    base = Result("", {}, {"a": np.arange(6, dtype=np.int32)})
    others = [
        {"b": np.arange(6, dtype=np.int32)},
        {"a": np.arange(6, dtype=np.uint32)},
        {"a": np.arange(6, dtype=np.int32).reshape(2, 3)},
        {"a": np.arange(1, 7, dtype=np.int32)},
    ]
    digests = {base.digest(), *(Result("", {}, arrays).digest() for arrays in others)}
    assert len(digests) == 5
    strided = np.arange(12, dtype=np.int32)[::2] // 2
    assert Result("", {}, {"a": strided}).digest() == base.digest()


def test_a_device_that_fails_stops_no_other(monkeypatch, here, tmp_path):
    def fail(device: accel.Device) -> Result:
        raise accel.OutOfMemoryError("cpu: 5 bytes were asked for; the device has 4 bytes")

    for job in ("china", "flower", "text"):
        monkeypatch.delitem(compare.JOBS, job)
    monkeypatch.setitem(compare.JOBS, "broken", fail)
    code, out, _ = here("demo", "--device", "cpu", "--output", str(tmp_path))
    assert code == 1
    assert "digits  cpu" in out
    assert "broken on cpu failed: OutOfMemoryError: cpu: 5 bytes were asked for" in out


def test_missing_packages_are_named(child, bare_python, tmp_path):
    done = child("demo", "--output", str(tmp_path), python=bare_python)
    assert done.returncode == 2
    assert done.stderr.startswith(
        'accel: error: the demo reads data that scikit-learn ships: pip install "scikit-learn>=1.3" "pillow>=10"'
    )
    assert done.stderr.count("\n") == 1


def test_on_a_terminal_it_shows_progress_and_opens_nothing(terminal, tmp_path):
    """Traps stand for all that opens a window: what BROWSER names, and the desktops' openers on PATH."""
    trap, sprung = tmp_path / "bin", tmp_path / "sprung"
    trap.mkdir()
    for name in ("xdg-open", "open", "gio", "display", "eog", "browser"):
        (trap / name).write_text(f"#!/bin/sh\ntouch {sprung}\n", encoding="utf-8")
        (trap / name).chmod(0o755)
    given = {"PATH": f"{trap}{os.pathsep}{os.environ['PATH']}", "BROWSER": str(trap / "browser"), "DISPLAY": ":77"}
    code, said = terminal("demo", "--device", "cpu", "--output", str(tmp_path / "out"), environment=given)
    assert code == 0, said
    for job in demo.JOBS:
        assert f"accel demo: {job} on cpu" in said, said
    assert "It is the only device: nothing to compare it with." in said
    assert not sprung.exists()
    opening = [sys.executable, "-c", "import webbrowser; webbrowser.open('x')"]
    subprocess.run(opening, env=os.environ | given, check=True)
    assert sprung.exists(), "control: the traps are found"
