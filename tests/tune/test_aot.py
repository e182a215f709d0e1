"""`accel aot`: machine code and manifest, which a stand-in of CUDA's driver loads and launches while Triton's compiler
is out of reach; what does not match is refused, and said once."""

from __future__ import annotations

import contextlib
import ctypes
import json
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest

import accel
from accel import registry
from accel.backends import triton_driver, triton_prepared
from accel.cli import run as command_line
from accel.conversion import from_numpy, to_numpy
from accel.errors import CompileError

if registry.unavailable("triton") is not None:
    pytest.skip("triton cannot be used", allow_module_level=True)
torch = pytest.importorskip("torch", reason="torch is not installed: it is in the extra torch")

DRIVER = """
#include <stddef.h>
#include <string.h>
typedef struct { unsigned grid[3], block[3], shared; void *stream; void *attributes; unsigned count; } Config;
static int loads, launches, most_shared, refusal; static const void *code; static char name[512];
static Config last; static int (*emulate)(const Config *, void *, void **);
int cuModuleLoadData(void **module, const void *image) {
  code = image; *module = (void *)(size_t)++loads; return refusal; }
int cuModuleGetFunction(void **function, void *module, const char *wanted) {
  strncpy(name, wanted, sizeof name - 1); *function = (void *)(100 + (size_t)module); return 0; }
int cuFuncSetAttribute(void *function, int attribute, int value) {
  most_shared = attribute == 8 ? value : -1; return 0; }
int cuGetErrorString(int code, const char **words) { *words = "an error"; return 0; }
int cuLaunchKernelEx(const Config *config, void *function, void **parameters, void **extra) {
  last = *config; ++launches; return emulate ? emulate(config, function, parameters) : 0; }
void listen(int (*to)(const Config *, void *, void **)) { emulate = to; }
int count_loads(void) { return loads; }
int count_launches(void) { return launches; }
const char *loaded_name(void) { return name; }
const void *loaded_code(void) { return code; }
int shared_bytes(void) { return most_shared; }
void refuse(int with) { refusal = with; }
int hipModuleLoadData(void **module, const void *image) { return cuModuleLoadData(module, image); }
int hipModuleGetFunction(void **function, void *module, const char *wanted) {
  return cuModuleGetFunction(function, module, wanted); }
const char *hipGetErrorString(int code) { return "an error"; }
int hipModuleLaunchKernel(void) { return 0; }
"""


@pytest.fixture(scope="module")
def artefact(tmp_path_factory) -> Path:
    """A folder that the command wrote for sm_80, in two runs: sums of two arrays of 40 by 70, and of all of one."""
    found = tmp_path_factory.mktemp("aot") / "kernels"
    for op, shape in (("sum", "40x70"), ("add", "40x70,40x70")):
        assert command_line(["aot", "--target", "sm_80", "--op", op, "--shape", shape, "-o", str(found)]) == 0
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ctypes.CDLL:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler, for a stand-in of CUDA's driver")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER, encoding="utf-8")
    line = [compiler, "-shared", "-fPIC", "-o", str(folder / "driver.so"), str(folder / "driver.c")]
    subprocess.run(line, check=True)
    made = ctypes.CDLL(str(folder / "driver.so"))
    made.loaded_name.restype, made.loaded_code.restype = ctypes.c_char_p, ctypes.c_void_p
    return made


@pytest.fixture
def gpu(library, monkeypatch):
    """A GpuDevice on torch's memory of the CPU, whose driver is the stand-in."""
    from triton.backends.compiler import GPUTarget

    from accel.backends import triton_gpu

    monkeypatch.setattr(triton_driver, "_library", lambda rocm: library)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(triton_gpu, "target_of", lambda index: GPUTarget("cuda", 80, 32))
    monkeypatch.setattr(triton_gpu, "current_device", lambda: lambda: 0)
    monkeypatch.setattr(triton_gpu, "current_stream", lambda: lambda index: 7)
    monkeypatch.setattr(torch.cuda, "device", lambda index: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda index: None)
    forget()
    device = triton_gpu.GpuDevice("triton", "triton:0", "gpu", "a stand-in")
    device.torch_device = "cpu"
    yield device
    forget()


def forget():
    """Folders and drivers that were found."""
    for cached in (triton_driver.driver, triton_driver.loader, triton_prepared.folder):
        cached.cache_clear()


@pytest.fixture
def no_compiler(monkeypatch):
    """Triton's compiler, out of reach."""
    import triton

    def compile(*arguments, **keywords):
        raise RuntimeError("there is no compiler")

    monkeypatch.setattr(triton, "compile", compile)


def emulating(library, what, aligned):
    """Runs each launch of one kernel in the PTX emulator, from the parameters that the driver was given."""
    from triton.backends.compiler import GPUTarget

    from accel import ptx

    kernel = what.compile(GPUTarget("cuda", 80, 32), aligned)
    codes = [code for code, _ in what.packed([0] * 16)]

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
    def launched(config, function, parameters):
        packed = []
        for i, code in enumerate(codes):
            kind = {"Q": ctypes.c_uint64, "i": ctypes.c_int32, "q": ctypes.c_int64}[code]
            packed.append((code, ctypes.cast(parameters[i], ctypes.POINTER(kind)).contents.value))
        grid = tuple(ctypes.cast(config, ctypes.POINTER(ctypes.c_uint * 3)).contents)
        its = kernel.metadata
        ptx.run(kernel.asm["ptx"], grid, packed, its.num_warps, its.shared, ctas_at_once=16)
        return 0

    library.listen(launched)
    return launched


def test_a_prepared_kernel_launches_without_the_compiler(artefact, gpu, library, no_compiler, monkeypatch):
    """The driver is given the very code of the folder; what it would compute is right to the bit."""
    x, y = (from_numpy(np.full((40, 70), value, np.float32), gpu) for value in (1.5, 2.25))
    with accel.config(aot=str(artefact)):
        loads, launches = library.count_loads(), library.count_launches()
        accel.add(x, y)
        accel.add(x, y)
    assert (library.count_loads() - loads, library.count_launches() - launches) == (1, 2)
    entries = json.loads((artefact / triton_prepared.MANIFEST).read_bytes())["kernels"].values()
    (entry,) = [e for e in entries if (artefact / e["file"]).read_bytes() == ctypes.string_at(
        library.loaded_code(), (artefact / e["file"]).stat().st_size)]  # fmt: skip
    assert entry["name"].encode() == library.loaded_name() and entry["file"].endswith(".cubin")
    assert (artefact / entry["file"]).read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("op", ["sum", pytest.param("matmul", marks=pytest.mark.slow)])
def test_its_arguments_are_those_of_the_compiled_kernel(artefact, gpu, library, monkeypatch, tmp_path, op):
    """The emulator runs the kernel's PTX from what the prepared kernel's launch gave the driver: the same bits as on
    the CPU."""
    import triton

    from accel.kernels.triton import matmul

    monkeypatch.setattr(matmul, "keeps_order", lambda device, config: True)
    shapes = ((40, 70),) if op == "sum" else ((40, 24), (24, 70))
    if op == "matmul":
        artefact = tmp_path / "products"
        line = ["aot", "--target", "sm_80", "--op", op, "--shape", "40x24,24x70", "-o", str(artefact)]
        assert command_line(line) == 0
    rng = np.random.default_rng(5)
    host = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    operands, function = [from_numpy(x, gpu) for x in host], getattr(accel, op)
    specializations, real = [], triton_prepared.Folder.find

    def find(self, what, aligned, *rest):
        specializations.append((what, aligned))
        return real(self, what, aligned, *rest)

    monkeypatch.setattr(triton_prepared.Folder, "find", find)
    with accel.config(aot=str(artefact)):
        with monkeypatch.context() as patch:
            patch.setattr(triton, "compile", lambda *arguments, **keywords: pytest.fail("it was compiled"))
            function(*operands)
        (what, aligned), *_ = specializations
        held = emulating(library, what, aligned)
        try:
            got = to_numpy(function(*operands))
        finally:
            library.listen(None)
            del held
    np.testing.assert_array_equal(got, function(*host))


def test_what_is_not_there_is_asked_of_the_compiler(artefact, gpu, no_compiler):
    """Where that fails, the error says that the folder did not help either."""
    x = from_numpy(np.ones((40, 70), np.float32), gpu)
    with accel.config(aot=str(artefact)):  # noqa: SIM117
        with pytest.raises(CompileError, match=r"there is no compiler(.|\n)*config\(aot\): .* has no \w+ for these"):
            accel.multiply(x, x)


CHANGES = {
    "bit contract": lambda made: made | {"bit_contract": 99},
    "target": lambda made: made | {"target": "sm_90"},
    "Triton": lambda made: made | {"triton": "0.0"},
    "schema": lambda made: made | {"schema": "other"},
    "manifest": lambda made: [],
}


def copied(artefact, tmp_path, change):
    """A copy of the folder with another manifest."""
    folder = tmp_path / "copy"
    shutil.copytree(artefact, folder)
    path = folder / triton_prepared.MANIFEST
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))), encoding="utf-8")
    return folder


@pytest.mark.parametrize("what", [*CHANGES, "none"])
def test_a_folder_that_does_not_match_is_refused(artefact, gpu, no_compiler, tmp_path, what):
    folder = tmp_path / "none" if what == "none" else copied(artefact, tmp_path, CHANGES[what])
    x = from_numpy(np.ones((40, 70), np.float32), gpu)
    words = {"none": "cannot be read", "manifest": "no manifest"}.get(what, what)
    with accel.config(aot=str(folder)):
        with (
            pytest.warns(RuntimeWarning, match=f"the prepared kernels in .* are not used: .*{words}"),
            pytest.raises(CompileError, match=words),
        ):
            accel.add(x, x)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(CompileError, match="there is no compiler"):
                accel.add(x, x)


@pytest.mark.parametrize("what", ["source", "code", "entry"])
def test_a_kernel_that_does_not_match_is_refused(artefact, gpu, no_compiler, tmp_path, what):
    """One made from another source, one whose file is damaged, one whose entry lacks something."""

    def changed(made):
        kernels = made["kernels"]
        if what == "source":
            kernels = {key: entry | {"source": "0" * 64} for key, entry in kernels.items()}
        if what == "entry":
            kernels = {key: entry | {"metadata": {}} for key, entry in kernels.items()}
        return made | {"kernels": kernels}

    folder = copied(artefact, tmp_path, changed)
    if what == "code":
        for file in folder.glob("*.cubin"):
            file.write_bytes(file.read_bytes()[:-1] + b"x")
    words = {"source": "another source", "code": "is damaged", "entry": "num_warps|shared"}[what]
    x = from_numpy(np.ones((40, 70), np.float32), gpu)
    with (
        accel.config(aot=str(folder)),
        pytest.warns(RuntimeWarning, match=f"a prepared kernel is not used: .*({words})"),
        pytest.raises(CompileError, match=words),
    ):
        accel.add(x, x)


@pytest.mark.parametrize("rocm", [False, True], ids=["cuda", "hip"])
def test_the_driver_loads_code(library, monkeypatch, rocm):
    """By its name, with the shared memory that it asks for; and says why not."""
    monkeypatch.setattr(triton_driver, "_library", lambda rocm: library)
    forget()
    load, code = triton_driver.loader(rocm), b"some machine code"
    before = library.shared_bytes()
    handle = load(code, "a_kernel", 48 << 10)
    assert (library.loaded_name(), handle) == (b"a_kernel", 100 + library.count_loads())
    assert ctypes.string_at(library.loaded_code(), len(code)) == code and library.shared_bytes() == before
    load(code, "large", 100 << 10)
    assert library.shared_bytes() == (before if rocm else 100 << 10)
    library.refuse(209)
    with pytest.raises(RuntimeError, match=r"209.*an error, of the prepared kernel a_kernel, which it"):
        load(code, "a_kernel", 0)
    library.refuse(0)
    forget()


@pytest.mark.parametrize("target", ["sm_60", "sm90", "gfx803", "rtx", ""])
def test_bad_targets(target, tmp_path, capsys):
    arguments = ["aot", "--target", target, "--op", "add", "--shape", "4,4", "-o", str(tmp_path / "out")]
    assert command_line(arguments) == 2
    assert "target: expected an architecture that Triton compiles for" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
