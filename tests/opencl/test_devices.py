"""Discovery, selectors, what devices say of themselves, memory, queues, and the errors of all these."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import accel
from accel.backends import opencl_query


def python(code: str, tmp_path: Path, **environment: str) -> str:
    """What a fresh interpreter prints; its cache folder is empty."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ACCEL_", "OCL_ICD", "OPENCL_"))}
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**inherited, "ACCEL_CACHE_DIR": str(tmp_path), **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


REASON = """
    from accel import registry
    print(registry.unavailable("opencl"))
"""


def test_import_starts_no_driver(tmp_path: Path) -> None:
    assert python("import sys, accel; print('pyopencl' in sys.modules)", tmp_path).strip() == "False"


def test_without_pyopencl(tmp_path: Path) -> None:
    said = python("import sys; sys.modules['pyopencl'] = None" + textwrap.dedent(REASON), tmp_path)
    assert 'pip install --force-reinstall --no-deps "pyopencl>=2025.1"; to run' in said, (
        "it is installed, and does not load"
    )
    assert "pyopencl" in said


def test_without_any_platform(tmp_path: Path) -> None:
    pytest.importorskip("pyopencl")
    (tmp_path / "none").mkdir()
    said = python(REASON, tmp_path, OCL_ICD_VENDORS=str(tmp_path / "none"))
    assert "no OpenCL" in said
    assert "to run on the CPU: pip install " in said
    assert f"OCL_ICD_VENDORS={tmp_path / 'none'}" in said


def test_a_driver_that_fails_is_named(tmp_path: Path) -> None:
    """Where a platform's devices cannot be listed, the error names the platform and gives the driver's own words."""
    pytest.importorskip("pyopencl")
    code = """
        import pyopencl as cl
        class Broken:
            name = "Broken Platform"
            def get_devices(self):
                raise cl.LogicError("clGetDeviceIDs failed: driver is out of date")
        cl.get_platforms = lambda: [Broken()]
    """
    said = python(textwrap.dedent(code) + textwrap.dedent(REASON), tmp_path)
    assert "Broken Platform" in said
    assert "driver is out of date" in said
    assert "to run on the CPU: pip install " in said


def test_devices_are_stable_and_in_order(backend: Any) -> None:
    devices = backend.devices()
    assert backend.devices() is devices
    assert [str(d) for d in devices] == [f"opencl:{i}" for i in range(len(devices))]
    assert all(accel.device(str(d)) is d for d in devices)
    ranks = [opencl_query.KINDS.index(d.kind) for d in devices]
    assert ranks == sorted(ranks)
    assert {d.kind: d.selection for d in devices}.get("cpu", "listed") == "listed"
    assert {d.selection for d in devices if d.kind in ("gpu", "accelerator")} <= {"automatic"}


def test_selectors(device: Any, backend: Any) -> None:
    """A part of the platform's name, or of the device's, in any case; the platform goes first."""
    platform = device.cl_device.platform
    for selector in (platform.name, platform.name.upper(), platform.name.split()[0].lower()):
        assert backend.device(selector) is device
    assert device.cl_device.name in {d.cl_device.name for d in [backend.device(device.cl_device.name)]}
    assert backend.device("no such device") is None
    assert backend.device("99") is None
    with pytest.raises(accel.DeviceError, match="opencl:no such device"):
        accel.device("opencl:no such device")


def test_details(device: Any) -> None:
    details = device.details
    assert device.memory > 0
    assert details["fp64"] == ("cl_khr_fp64" in device.cl_device.extensions)
    assert details["driver"]
    assert details["OpenCL"].startswith("OpenCL ")
    assert (device.missing("float64") is None) == details["fp64"]
    assert all(device.missing(name) is None for name in ("float16", "bfloat16", "float32", "int64", "bool"))
    if "cl_intel_required_subgroup_size" in device.cl_device.extensions.split():
        assert all(int(size) in (4, 8, 16, 32, 64) for size in details["sub-group sizes"].split(", "))


def test_versions(backend: Any) -> None:
    versions = backend.versions()
    assert versions["pyopencl"]
    assert len(versions) >= 2


class Described:
    """What `opencl_query.inexact` asks of a device."""

    def __init__(self, single: int, extensions: str = "") -> None:
        self.single_fp_config, self.double_fp_config, self.extensions = single, 63, extensions


def test_flushed_subnormals_are_refused(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float work is refused with the reason, unless the mode is fast; copies and integers run."""
    import pyopencl as cl

    flags = cl.device_fp_config
    assert opencl_query.inexact(Described(flags.DENORM | flags.INF_NAN | flags.ROUND_TO_NEAREST)) is None
    reason = opencl_query.inexact(Described(flags.INF_NAN | flags.ROUND_TO_NEAREST))
    assert "subnormals" in reason
    monkeypatch.setattr(device, "_inexact", reason)
    accel.dispatch.forget()
    x = accel.asarray(np.ones(3, np.float32), device=device)
    with accel.config(fallback="error"):
        for call in (lambda: x + x, lambda: accel.sum(x), lambda: accel.matmul(x, x)):
            with pytest.raises(accel.UnsupportedError, match="subnormals"):
                call()
        assert np.asarray(x[::-1].contiguous()).sum() == 3
        assert int(accel.max(x)) == 1
        with accel.config(numerics="fast"):
            assert np.asarray(x + x).sum() == 6
    accel.dispatch.forget()


def test_missing_float64_is_refused(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_fp64", False)
    accel.dispatch.forget()
    x = accel.asarray(np.ones(3), device=device)
    with accel.config(fallback="error"), pytest.raises(accel.UnsupportedError, match="cl_khr_fp64"):
        x + x
    accel.dispatch.forget()


# memory and queues


def test_copies_at_offsets(device: Any) -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, 1000, np.uint8)
    buffer = device.allocate(1000)
    device.copy_in(buffer, 0, data)
    device.copy_in(buffer, 37, data[:5])
    data[37:42] = data[:5]
    assert (device.copy_out(buffer, 0, 1000) == data).all()
    assert (device.copy_out(buffer, 35, 12) == data[35:47]).all()


def test_out_of_memory(device: Any) -> None:
    """How much was asked, how much there is; live arrays are untouched."""
    live = accel.asarray(np.arange(5, dtype=np.float32), device=device)
    for nbytes in (device.memory + 1, 1 << 50, device.cl_device.max_mem_alloc_size + 1):
        with pytest.raises(accel.OutOfMemoryError, match=str(nbytes)) as caught:
            device.allocate(nbytes)
        assert str(device.memory) in str(caught.value)
    assert (np.asarray(live + 1) == np.arange(1, 6)).all()


def test_buffers_return_to_the_pool_in_order(device: Any) -> None:
    """A freed buffer's next owner never changes what queued work still reads."""
    x = accel.asarray(np.ones(100_000, np.float32), device=device)
    for _ in range(40):
        x = x + 1
        accel.asarray(np.full(100_000, 7, np.float32), device=device)
    assert (np.asarray(x) == 41).all()


def test_threads_share_a_device(device: Any) -> None:
    """Launches of the same plan from many threads: arguments of one never reach another's kernel."""
    arrays = [accel.asarray(np.full(1000, i, np.float32), device=device) for i in range(4)]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(100):
            if int(accel.sum(arrays[i] + arrays[i])) != 2000 * i:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_adopted_queue(device: Any, backend: Any) -> None:
    """A user's queue is a device of its own: same object for the same queue, found by its name, in its own context."""
    import pyopencl as cl

    context = cl.Context([device.cl_device])
    queue = cl.CommandQueue(context)
    adopted = backend.adopt(queue)
    assert backend.adopt(queue) is adopted
    assert adopted is not device
    assert adopted.queue is queue
    assert adopted not in backend.devices()
    assert accel.device(str(adopted)) is adopted
    assert adopted.selection == "named"
    x = accel.asarray(np.arange(4, dtype=np.float32), device=adopted)
    assert (np.asarray(x * 2) == [0, 2, 4, 6]).all()
    with pytest.raises(accel.DeviceError, match="nothing moves silently"):
        x + accel.asarray(np.ones(4, np.float32), device=device)


def test_a_queue_without_its_context_is_explained(device: Any, backend: Any) -> None:
    """Intel's CPU runtime forgets a context that only a queue holds; others keep it, and the queue is adopted."""
    import pyopencl as cl

    queue = cl.CommandQueue(cl.Context([device.cl_device]))
    try:
        adopted = backend.adopt(queue)
    except accel.DeviceError as error:
        assert "keep the context" in str(error)
    else:
        assert (np.asarray(accel.asarray([1.0, 2.0], device=adopted) + 1) == [2, 3]).all()


def test_out_of_order_queues_are_refused(device: Any, backend: Any) -> None:
    import pyopencl as cl

    try:
        queue = cl.CommandQueue(device.context, properties=cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE)
    except cl.Error as error:
        pytest.skip(f"the device has no out-of-order queues: {error}")
    with pytest.raises(accel.DeviceError, match="in-order"):
        backend.adopt(queue)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_fork(device: Any, tmp_path: Path) -> None:
    """A forked child gets an error that says what to do, not a hang; its other backends and the parent go on."""
    code = f"""
        import os, signal, accel
        device = accel.device("opencl:" + {device.cl_device.platform.name!r})
        x = accel.asarray([1.0, 2.0], dtype=accel.float32, device=device)
        y = x + x
        x[:1] = y[:1]
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            said = []
            def store():
                x[:1] = y[:1]
            for work in (lambda: x + x, lambda: str(x), store, lambda: accel.asarray([1.0], device=device)):
                try:
                    work()
                    said.append("ran")
                except accel.BackendUnavailableError as error:
                    said.append(str(error))
            accel.synchronize()
            said.append(str(len(accel.devices()) > 0))
            os.write(write, "|".join(said).encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(os.read(read, 10000).decode())
        assert (x + y).device is device
        print(accel.sum(x + y).item())
    """
    said, total = python(code, tmp_path).strip().splitlines()
    *errors, listed = said.split("|")
    assert len(errors) == 4
    assert all("fork" in error and "spawn" in error for error in errors)
    assert listed == "True"
    assert float(total) == 10.0


def test_buffers_beyond_what_programs_address() -> None:
    """Of a GPU that says 4 GiB less a page, as Intel's do, and has more memory: the limit itself is served."""
    arc = SimpleNamespace(max_mem_alloc_size=(4 << 30) - 4096, global_mem_size=16 << 30)
    assert opencl_query.unaddressable(arc.max_mem_alloc_size, arc) is None
    reason = opencl_query.unaddressable(arc.max_mem_alloc_size + 1, arc)
    assert reason is not None
    assert f"the buffer has {arc.max_mem_alloc_size + 1} bytes; expected at most {arc.max_mem_alloc_size}" in reason
    assert "-cl-intel-greater-than-4GB-buffer-required" in reason


def test_arrays_beyond_what_the_device_allows(device: Any) -> None:
    """Refused before the driver is asked, with the limit."""
    largest = device.cl_device.max_mem_alloc_size
    with pytest.raises(accel.OutOfMemoryError, match=rf"at most {largest} in one array \(CL_DEVICE_MAX_MEM_ALLOC_SIZE"):
        accel.empty((largest + 1,), dtype=accel.uint8, device=device)
