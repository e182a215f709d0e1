"""Devices of the Triton backend: names, reasons, memory, errors, and two forms of one kernel in one process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import accel
from accel import registry
from accel.backends import triton as module
from accel.backends.base import HostBuffer
from accel.backends.triton_kernel import Pointer, Specialization, functions, load
from accel.conversion import to_numpy
from accel.ptx import BadAccess
from accel.scalar import Program, Step, program_for
from accel.testing.compare import place

ADD = program_for("add", ("float32", "float32"))


def test_names():
    backend = registry.backend("triton")
    names = [device.name for device in backend.devices()]
    assert names[-3:] == ["triton:interpreter", "triton:emulated-sm_80", "triton:emulated-sm_90"]
    for device in backend.devices():
        assert accel.device(str(device)) is device
        assert device.selection == ("automatic" if device.kind == "gpu" else "named")
    assert accel.device("triton:interpreter").host
    assert backend.device("emulated") is None, "part of a name selects real GPUs only"
    if backend.no_gpu is not None:
        assert backend.device("0") is None
        with pytest.raises(accel.DeviceError, match="triton:interpreter"):
            accel.device("triton:0")


@pytest.mark.gpu
def test_a_gpu_is_used_automatically():
    assert accel.device("triton").name == "triton:0"
    assert registry.backend("triton").nothing_automatic() is None


def test_no_gpu_has_a_reason(monkeypatch):
    """Without a driver torch is not imported; with one, what torch was built for is said."""
    monkeypatch.setattr(module, "DRIVERS", ("/nowhere/gpu*",))
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "no driver is loaded" in module._no_gpu()
    assert "torch" not in sys.modules
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert "pip install" in module._no_gpu() and '"torch>=2.4"' in module._no_gpu()


def test_gpus_that_triton_does_not_compile_for(monkeypatch):
    """They are left out, with the reason; the others keep torch's numbers."""
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    names = ("gfx1030", "gfx1100:xnack-", "gfx90a")
    properties = [
        SimpleNamespace(name=f"GPU {n}", gcnArchName=n, warp_size=32, multi_processor_count=8, total_memory=1 << 30)
        for n in names
    ]
    monkeypatch.setattr(torch.version, "hip", "7.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(properties))
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties.__getitem__)
    backend = module.TritonBackend()
    assert [str(d) for d in backend.devices() if d.kind == "gpu"] == ["triton:1", "triton:2"]
    assert backend.device("0") is None
    assert backend.device("gfx90a").architecture == "gfx90a"
    assert backend.nothing_automatic() is None
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert "does not compile for GPU gfx1030" in module.TritonBackend().nothing_automatic()


def test_no_gpu_says_what_torch_was_built_for(monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert "built without CUDA and ROCm" in module._no_gpu()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "built for CUDA 13.0" in module._no_gpu()


@pytest.mark.parametrize(
    ("platform", "machine", "found", "words"),
    [
        ("linux", "x86_64", None, 'triton is not installed; pip install .*"triton<3.10,>=3.9"'),
        ("darwin", "arm64", None, "wheels are for Linux"),
        ("linux", "riscv64", None, "wheels are for Linux"),
        (
            "linux",
            "x86_64",
            "3.5.1",
            'triton 3.5.1 is installed; accel needs 3.9.*: pip install .*"triton<3.10,>=3.9"$',
        ),
    ],
)
def test_unavailable(monkeypatch, platform, machine, found, words):
    monkeypatch.setattr(module.sys, "platform", platform)
    monkeypatch.setattr(module.platform, "machine", lambda: machine)
    monkeypatch.setattr(module, "find_spec", lambda name: found)
    monkeypatch.setattr(module, "version", lambda name: found)
    with pytest.raises(accel.BackendUnavailableError, match=words):
        module.backend()


def test_versions():
    assert registry.backend("triton").versions()["triton"].startswith(module.VERSION)


def test_a_stray_access_is_an_error():
    """The emulator allows a kernel its operands' memory only; a buffer one element short is caught."""
    device = accel.device("triton:emulated-sm_80")
    x, y = (accel.asarray(np.ones(100, np.float32), device=device, copy=True) for _ in range(2))
    whole = y.buffer
    accel.add(x, y)
    y.buffer = HostBuffer(whole.address, whole.nbytes - 4, whole)
    with pytest.raises(BadAccess, match="outside the allowed ranges"):
        accel.add(x, y)


def test_views_of_one_buffer_overlap():
    """Operands whose ranges overlap, as views of one NumPy array have them, are all allowed."""
    device = accel.device("triton:emulated-sm_80")
    x = np.arange(40, dtype=np.float32)
    a, b = (accel.asarray(v, device=device) for v in (x[:30], x[5:35]))
    np.testing.assert_array_equal(to_numpy(accel.add(a, b)), x[:30] + x[5:35])


def test_out_of_memory():
    with pytest.raises(accel.OutOfMemoryError, match="were asked for"):
        accel.device("triton:interpreter").allocate(1 << 60)


BROKEN = """
import triton
import triton.language as tl


@triton.jit
def broken(out, n, INDEX: tl.constexpr):
    tl.store(out + tl.arange(0, 24), n)
"""


def test_compile_error(tmp_path):
    """The compiler's words and the source's path."""
    source = tmp_path / "broken.py"
    source.write_text(BROKEN, encoding="utf-8")
    device = accel.device("triton:emulated-sm_80")
    what = Specialization(device.kernel(str(source), "broken"), {"out": Pointer("float32"), "n": 5, "INDEX": None})
    with pytest.raises(accel.CompileError, match="power of 2") as caught:
        device.prepare(what, 1, (4,))
    assert str(source) in str(caught.value)
    assert "broken for cuda 80" in str(caught.value)


def test_programs_are_written_whole(tmp_path):
    """A program's file is found again by its text, and replaced where it is damaged."""
    program = Program(("float32",), (Step("add", "float32", (0, 0)), Step("negative", "float32", (1,))), "float32")

    def its() -> dict[Path, str]:
        """Its files, beside those of another test's threads."""
        found = {path: path.read_text(encoding="utf-8") for path in (tmp_path / "triton").iterdir()}
        return {path: text for path, text in found.items() if "def once(x0)" in text}

    with accel.config(cache_dir=str(tmp_path)):
        functions({"once": program}, False)
        before = its()
        (path,) = before
        path.write_text("damaged", encoding="utf-8")
        assert its() == {}
        functions({"once": program}, True)
        assert its() == before


def test_two_forms_in_one_process():
    """The same file gives compiled and interpreted functions, and each calls another file's functions in its form."""
    from accel.kernels.triton.device import pointwise

    compiled, interpreted = (load(pointwise.__file__, form) for form in (False, True))
    assert type(compiled.pointwise).__name__ == "JITFunction"
    assert type(compiled.offset_of).__name__ == "JITFunction"
    assert type(interpreted.pointwise).__name__ == "function"
    assert type(interpreted.offset_of).__name__ == "function"


def test_threads():
    """Interpreted and compiled calls of several threads at once; the interpreter changes triton.language meanwhile."""
    x = np.random.default_rng(3).standard_normal((40, 30)).astype(np.float32)
    wrong: list[object] = []

    def work(name, k):
        try:
            a = place(x * (k + 1), accel.device(name))
            for axis in (0, 1):
                got = to_numpy(accel.max(accel.multiply(a, a), axis=axis))
                if not np.array_equal(got, ((x * (k + 1)) ** 2).max(axis)):
                    wrong.append((name, k, axis))
        except BaseException as error:
            wrong.append(error)

    names = ("triton:interpreter", "triton:emulated-sm_80", "triton:emulated-sm_90")
    threads = [threading.Thread(target=work, args=(name, k)) for k in range(2) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("interpret", ["0", "1"])
def test_triton_interpret_makes_no_difference(interpret):
    """TRITON_INTERPRET decides what users' kernels become, not ours; and torch is not needed without a GPU."""
    code = """
        import sys
        sys.modules["torch"] = None
        import accel, numpy as np
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        for name in ("triton:interpreter", "triton:emulated-sm_80"):
            a = accel.asarray(x, device=name)
            print(name, float(accel.sum(accel.matmul(a, a.mT))), accel.device(name).kind)
    """
    environment = {**os.environ, "TRITON_INTERPRET": interpret}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    x = np.arange(12.0).reshape(3, 4)
    assert [line.split()[1] for line in run.stdout.splitlines()] == [str(float((x @ x.T).sum()))] * 2
