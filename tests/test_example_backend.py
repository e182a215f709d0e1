"""A backend from outside, installed by pip: it serves every op, and changes nothing for others, not even broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "example_backend"


def run(
    *arguments: str,
    path: Path | None = None,
    environment: dict[str, str] | None = None,
    timeout: float | None = 300,
) -> subprocess.CompletedProcess:
    """A Python process that sees a folder of installed packages, without ACCEL_ variables but those given."""
    given = [f"{name}={value}" for name, value in (environment or {}).items()]
    paths = [f"PYTHONPATH={path}"] if path is not None else []
    command = ["env", "-u", "ACCEL_BACKEND", "-u", "ACCEL_DEVICE", *paths, *given, sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=timeout)


def accel(*arguments: str, **keywords) -> subprocess.CompletedProcess:
    return run("-m", "accel", *arguments, **keywords)


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """The folder that pip installed the example backend into."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site")]
    done = run("-m", "pip", "install", *options, str(folder / "source"))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture(scope="session")
def plain() -> dict:
    """What `accel devices` says without any such backend."""
    return json.loads(accel("devices", "--json").stdout)


def told(report: dict) -> dict[tuple[str, str], object]:
    """What a report says of each device, so that a failure names what differs."""
    return {(device["name"], key): value for device in report["devices"] for key, value in device.items()}


def plug_in(folder: Path, name: str, factory: str, info: str | None = None) -> Path:
    """Installs a distribution that registers a backend. factory: the body of its factory. info: what makes INFO."""
    module = folder / f"plug_in_{name}"
    module.mkdir(parents=True)
    (module / "__init__.py").write_text("", encoding="utf-8")
    (module / "backend.py").write_text(
        "def factory():\n" + textwrap.indent(textwrap.dedent(factory), "    "), encoding="utf-8"
    )
    text = "from accel.backends.base import BackendInfo\n" + textwrap.dedent(
        info or f'INFO = BackendInfo("{name}", "s")'
    )
    (module / "info.py").write_text(text, encoding="utf-8")
    metadata = folder / f"plug_in_{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plug-in-{name}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        f"[accel.backends]\n{name} = plug_in_{name}.backend:factory\n\n"
        f"[accel.backend_info]\n{name} = plug_in_{name}.info:INFO\n",
        encoding="utf-8",
    )
    return folder


def test_it_is_listed_and_not_the_default(installed, plain):
    with_it = json.loads(accel("devices", "--json", path=installed).stdout)
    device = next(row for row in with_it["devices"] if row["name"] == "example:0")
    assert device["selection"] == "listed"
    assert device["memory_bytes"] == 1 << 30
    assert with_it["default"] == plain["default"]
    assert [row for row in with_it["devices"] if row is not device] == plain["devices"]


OPS = ("add", "exp", "where", "copy", "softmax", "sum", "matmul", "sort", "take", "grid_sample", "join")
"""What its kernel serves, what is compiled from that, and what decomposes into it or runs elsewhere."""


@pytest.mark.parametrize(
    "ops", [OPS, pytest.param((), marks=[pytest.mark.slow, pytest.mark.timeout(3600)])], ids=["some", "all"]
)
def test_it_conforms(installed, ops):
    chosen = [word for op in ops for word in ("--op", op)]
    command = ("conform", "--backend", "example", "--examples", "2", "--json", *chosen)
    done = accel(*command, path=installed, timeout=None if ops == () else 300)
    report = json.loads(done.stdout)
    assert done.returncode == 0, [row for row in report["rows"] if row["status"] == "fail"]
    assert report["passed"]
    assert report["device"] == "example:0"
    statuses = {(row["op"], row["dtype"]): row["status"] for row in report["rows"]}
    assert statuses["add", "float32"] == "pass"
    assert statuses["matmul", "float32"] == "fallback"


def test_it_keeps_the_backend_contract(installed):
    code = (
        "import accel; from accel.testing import conform\n"
        "for row in conform.contract_rows(accel.device('example:0')): print(row.status, row.op, row.detail)"
    )
    done = run("-c", code, path=installed)
    said = done.stdout.splitlines()
    assert len(said) == 5 and all(line.startswith("pass contract: ") for line in said), done.stdout + done.stderr


def test_conform_finds_a_wrong_kernel(installed, tmp_path):
    """The control: an example backend whose additions of float32 are one unit in the last place too large."""
    site = tmp_path / "site"
    shutil.copytree(installed, site)
    kernel = site / "accel_example_backend/kernels/pointwise.py"
    right = "result[...] = value"
    wrong = "result[...] = np.nextafter(value, np.inf) if program.output == 'float32' else value"
    kernel.write_text(kernel.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    done = accel("conform", "--backend", "example", "--op", "add", "--examples", "5", "--json", path=site)
    assert done.returncode == 1, done.stderr
    statuses = {row["dtype"]: row["status"] for row in json.loads(done.stdout)["rows"]}
    assert statuses["float32"] == "fail"
    assert statuses["float64"] == statuses["int32"] == "pass"


SOFTMAX = """
import sys, warnings, hashlib
import numpy as np, accel
x = np.random.default_rng(5).standard_normal((37, 129)).astype(np.float32)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    out = accel.nn.softmax(accel.asarray(x, device=sys.argv[1]))
print(hashlib.sha256(np.asarray(out).tobytes()).hexdigest(), out.device)
print(accel.default_device(), hashlib.sha256(accel.nn.softmax(x).tobytes()).hexdigest())
print(sorted({str(w.message).partition(":")[0] for w in caught if w.category is accel.FallbackWarning}))
"""


def test_softmax_has_the_bits_of_the_cpu(installed):
    on_example = run("-c", SOFTMAX, "example:0", path=installed)
    on_cpu = run("-c", SOFTMAX, "cpu")
    assert on_example.returncode == 0, on_example.stderr
    ours, default, fallbacks = on_example.stdout.splitlines()
    theirs, default_without, none = on_cpu.stdout.splitlines()
    assert ours.split()[0] == theirs.split()[0]
    assert ours.split()[1] == "example:0"
    assert fallbacks == "['max on example', 'sum on example']"
    assert none == "[]"
    assert default == default_without, "installing a backend changed the default device or its results"


def test_it_can_be_chosen_by_the_environment(installed):
    code = "import accel; print(accel.default_device())"
    assert run("-c", code, path=installed, environment={"ACCEL_BACKEND": "example"}).stdout.strip() == "example:0"
    assert run("-c", code, path=installed, environment={"ACCEL_DEVICE": "example"}).stdout.strip() == "example:0"


def test_an_allocation_larger_than_the_device(installed):
    code = "import accel; accel.empty((1 << 32,), device='example:0')"
    done = run("-c", code, path=installed)
    assert done.returncode == 1
    assert f"OutOfMemoryError: example:0: {4 << 32} bytes were asked for; the device has {1 << 30} bytes" in done.stderr


BROKEN = {
    "raises": ('raise RuntimeError("the driver is not there")', None, "RuntimeError: the driver is not there"),
    "nothing": ("return None", None, "failed to start"),
    "older": ("return None", 'INFO = BackendInfo("older", "s", api_version=1)', "docs/backend-contract.md says what"),
    "version": ("return None", 'INFO = BackendInfo("version", "s", api_version=99)', "version 99"),
    "metadata": ("return None", 'raise ImportError("no such file")', "failed to load: ImportError: no such file"),
    "notinfo": ("return None", "INFO = None", "is of type NoneType; expected a BackendInfo"),
    "absent": ("import module_that_is_not_there", None, "module_that_is_not_there"),
    "exits": ("raise SystemExit(3)", None, "SystemExit: 3"),
}


def test_broken_backends_are_reported_and_harm_nothing(plain, tmp_path):
    """All at once, so that none is left out for another's sake."""
    for kind, (factory, info, _) in BROKEN.items():
        plug_in(tmp_path / "site", kind, factory, info)
    done = accel("devices", "--json", path=tmp_path / "site")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["default"] == plain["default"]
    assert told(report) == told(plain)
    for kind, (_, _, expected) in BROKEN.items():
        (row,) = [row for row in report["unavailable"] if row["backend"] == kind]
        assert expected in row["reason"]
    code = "import accel, numpy as np; print(accel.add(np.ones(2), 1).sum())"
    assert run("-c", code, path=tmp_path / "site").stdout.strip() == "4.0"


@pytest.mark.parametrize(
    ("kind", "factory", "timeout", "expected"),
    [
        ("crashes", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "60", "crashed: killed by signal 11"),
        ("hangs", "import time; time.sleep(600)", "12", "no answer within 12 s"),
    ],
)
def test_doctor_survives_a_backend_that_takes_its_process_down(kind, factory, timeout, expected, tmp_path):
    folder = plug_in(tmp_path / "site", kind, factory)
    done = accel("doctor", "--json", "--timeout", timeout, path=folder, environment={"ACCEL_BACKEND": "cpu"})
    report = json.loads(done.stdout)
    row = next(row for row in report["backends"] if row["name"] == kind)
    assert row["state"] == "unusable"
    assert expected in row["reason"]
    assert report["default"]["device"] == "cpu"
    assert report["healthy"]
    assert done.returncode == 0


@pytest.mark.parametrize("place", ["insert(0,", "append("])
def test_a_backend_cannot_take_the_name_of_another(place, tmp_path):
    folder = plug_in(tmp_path / "site", "cpu", 'raise RuntimeError("an impostor")')
    code = (
        f"import sys; sys.path.{place} {str(folder)!r}); import accel, numpy; print(accel.add(numpy.ones(2), 1).sum())"
    )
    done = run("-c", code)
    assert done.stdout.strip() == "4.0", done.stderr
