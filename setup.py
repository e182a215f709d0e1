"""Packages, found below their folders, and the native extensions accel._core and accel._cpu."""

from __future__ import annotations

import os
import platform
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from pybind11.setup_helpers import Pybind11Extension
from setuptools import find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "csrc"))

from generate import generate  # noqa: E402

FOLDERS = {"accel": "src/accel", "accel.kernels": "kernels", "accel.bench": "bench"}

FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv"]
FLAGS += ["-g0", "-fvisibility=hidden", "-Wall", "-Wextra"]
# Further flags of the compiler and the linker, after all others, and how many files to compile at once.
EXTRA_FLAGS = os.environ.get("ACCEL_BUILD_FLAGS", "").split()
JOBS = int(os.environ.get("ACCEL_BUILD_JOBS", "2"))

# Loops of kernels begin with a cache line: without it the same loop ran up to 5 % slower wherever it happened to lie.
KERNEL_FLAGS = ["-falign-loops=64"]
# Scalar functions are computed of two vectors at a time: here their instructions take turns, as those of one wait for
# each other. The kernels of matmul are written in the order that they should run in.
INTERLEAVED = ["-fschedule-insns", "-fsched-pressure"]
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
ISA_FLAGS = {
    "x86_64": {
        "baseline": [],
        "avx2": AVX2,
        "avx512": AVX512,
    },
    "aarch64": {"baseline": [], "neon": []},
}
"""Instruction sets that csrc/families is compiled for, each behind its csrc/isa/<name>.hpp."""

EXTENSIONS = {
    "probe_vnni": [*AVX512, "-mavx512vnni"],
    "probe_bfloat16": [*AVX512, "-mavx512bf16"],
    "avx512vnni": [*AVX512, "-mavx512vnni"],
    "avx512bf16": [*AVX512, "-mavx512bf16"],
}
"""Sources of csrc/isa for extensions of x86-64 that some CPUs have beside AVX-512."""

FAMILIES = {
    "functions": INTERLEAVED,
    "halves": INTERLEAVED,
    "casts": [],
    "folds": [],
    "searches": [],
    "softmax": INTERLEAVED,
    "matmul": [],
    "memory": [],
    "table": [],
}
"""Sources of csrc/families and their own flags, the slowest first."""


class BuildNative(build_ext):
    """Compiles every source with the flags of its instruction set and links them into one module."""

    def build_extension(self, ext: Pybind11Extension) -> None:
        build = Path(self.build_temp)
        generated = build / "generated"
        generate(generated)
        jobs = [(source, build, []) for source in ext.sources]
        if ext is CPU:
            jobs = [*kernel_jobs(build), *jobs]

        def compile_one(job: tuple[str, Path, list[str]]) -> str:
            source, folder, flags = job
            target = folder / source.replace(".cpp", self.compiler.obj_extension)
            if self.force or outdated(target):
                self.compiler.compile(
                    [source],
                    output_dir=str(folder),
                    include_dirs=["csrc", str(generated), *ext.include_dirs],
                    extra_postargs=[*FLAGS, "-MMD", *flags, *EXTRA_FLAGS],
                )
            return str(target)

        with ThreadPoolExecutor(JOBS) as pool:
            objects = list(pool.map(compile_one, jobs))
        target = self.get_ext_fullpath(ext.name)
        partial = f"{target}.partial"
        self.compiler.link_shared_object(
            objects, partial, libraries=["pthread"], extra_postargs=EXTRA_FLAGS, target_lang="c++"
        )
        os.replace(partial, target)  # a process that has the old module loaded keeps it


class BuildPython(build_py):
    """Copies the packages, and leaves in them the commit that they are of, for the benchmark's result files."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            runpy.run_path("bench/machine/checkout.py")["leave"](
                Path(self.build_lib, "accel", "bench", "machine"), Path(__file__).resolve()
            )


def kernel_jobs(build: Path) -> list[tuple[str, Path, list[str]]]:
    """Source, folder of its object and flags of what is compiled for an instruction set."""
    isas = ISA_FLAGS.get(machine(), {"baseline": []})
    jobs = [
        (f"csrc/families/{family}.cpp", build / isa, [*KERNEL_FLAGS, *own, *flags, "-include", f"csrc/isa/{isa}.hpp"])
        for family, own in FAMILIES.items()
        for isa, flags in isas.items()
    ]
    if machine() == "x86_64":
        jobs += [(f"csrc/isa/{name}.cpp", build, [*KERNEL_FLAGS, *flags]) for name, flags in EXTENSIONS.items()]
    return jobs


def outdated(target: Path) -> bool:
    """Whether an object is missing, or older than a file that it was made from (the compiler lists them beside it)."""
    listed = target.with_suffix(".d")
    if not target.exists() or not listed.exists():
        return True
    names = os.fsdecode(listed.read_bytes()).replace("\\\n", " ").split()[1:]
    made_from = [Path(__file__), *map(Path, names)]
    made = target.stat().st_mtime
    return not all(path.exists() and path.stat().st_mtime <= made for path in made_from)


def machine() -> str:
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def sources(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(f"{folder}/*.cpp"))


CORE = Pybind11Extension("accel._core", sources("csrc/core"), include_dirs=[numpy.get_include()])
CPU = Pybind11Extension("accel._cpu", sources("csrc") + sources("csrc/python"))

folders = {package: folder for package, folder in FOLDERS.items() if (ROOT / folder / "__init__.py").exists()}
setup(
    packages=[
        name
        for package, folder in folders.items()
        for name in (package, *(f"{package}.{below}" for below in find_packages(ROOT / folder)))
    ],
    package_dir=folders,
    package_data={
        "accel": ["py.typed", "testing/known_failures/*.txt"],
        "accel.kernels": ["**/*.cl", "**/*.json"],
        "accel.bench": ["schema.json", "cpu/guards.toml", "report/templates/*", "workloads/*.toml", "suites.toml"],
    },
    ext_modules=[CORE, CPU],
    cmdclass={"build_py": BuildPython, "build_ext": BuildNative},
)
