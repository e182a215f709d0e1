"""Packages, found below their folders, and the native extensions accel._core and accel._cpu."""

from __future__ import annotations

import itertools
import os
import platform
import re
import runpy
import subprocess
import sys
import sysconfig
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy
from pybind11.setup_helpers import Pybind11Extension
from setuptools import find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "csrc"))

from generate import generate  # noqa: E402

FOLDERS = {"accel": "src/accel", "accel.kernels": "kernels", "accel.bench": "bench"}

FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv"]
FLAGS += ["-g0", "-fvisibility=hidden", "-Wall", "-Wextra"]
# So many KiB GCC takes before it collects its garbage: 4 % of the time, for 950 MB instead of 590 at most.
ROOMY = "--param=ggc-min-heapsize=1048576"
FLAGS += [ROOMY]
GCC_ONLY = {ROOMY, "-fschedule-insns", "-fsched-pressure"}
CLANG_ONLY = ["-Wno-pass-failed"]  # a loop that is not unrolled or vectorised as asked is no news
WINDOWS = sys.platform == "win32"
OBJECT = ".obj" if WINDOWS else ".o"
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
"""Instruction sets that csrc/families can be compiled for, each behind its csrc/isa/<name>.hpp, the best last."""

# Those that are compiled: "native", "all", or names joined by commas.
BUILD_ISA = os.environ.get("ACCEL_BUILD_ISA", "native")

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
    "scans": [],
    "row": INTERLEAVED,
    "matmul": [],
    "attention": [],
    "factors": [],
    "taps": [],
    "butterflies": [],
    "sorts": [],
    "quantized": [],
    "memory": [],
    "table": [],
}
"""Sources of csrc/families and their own flags."""

BINDING_FLAGS = ["-O1"]
"""Of csrc/bindings and csrc/core/module.cpp, which run where a module or kernel is made, hardly where one is called."""

SECONDS = {"functions": 50, "folds": 40, "matmul": 35, "searches": 20, "scans": 18, "row": 16, "halves": 12}
SECONDS |= {"avx512vnni": 10, "memory": 10, "attention": 10, "avx512bf16": 8, "butterflies": 8, "casts": 7}
"""Roughly how long a core compiles a source for one instruction set. The longest start first; progress counts these."""


class Job(NamedTuple):
    """A source to compile: the folder of its object, flags beyond FLAGS."""

    source: str
    folder: Path
    flags: list[str]

    @property
    def target(self) -> Path:
        return self.folder / self.source.replace(".cpp", OBJECT)

    @property
    def seconds(self) -> int:
        folder, name = Path(self.source).parts[-2:]
        if folder in ("families", "isa"):
            return SECONDS.get(name.removesuffix(".cpp"), 3)
        return 20 if folder == "bindings" else 4

    @property
    def isa(self) -> str:
        """The instruction set as the progress names it; nothing where there is one only."""
        return f" ({self.folder.name})" if self.folder.name in ISA_FLAGS.get(machine(), ()) else ""


class BuildNative(build_ext):
    """Compiles every source with the flags of its instruction set, saying so, and links them into the modules."""

    def build_extensions(self) -> None:
        build = Path(self.build_temp)
        clang = self.prepare_compiler()
        generated = build / "generated"
        compiler = getattr(self.compiler, "compiler_so", [])
        isas = chosen_isas(BUILD_ISA, list(itertools.takewhile(lambda word: not word.startswith("-"), compiler)))
        generate(generated, isas)
        jobs = {ext.name: [Job(source, build, own_flags(source)) for source in ext.sources] for ext in self.extensions}
        if CPU.name in jobs:
            jobs[CPU.name] = [*kernel_jobs(build, isas), *jobs[CPU.name]]
        includes = {name for ext in self.extensions for name in ext.include_dirs}
        waiting = [job for each in jobs.values() for job in each if self.force or outdated(job.target)]
        waiting.sort(key=lambda job: -job.seconds)
        total, done = sum(job.seconds for job in waiting), 0
        begun, numbers, one = time.monotonic(), itertools.count(1), threading.Lock()

        def compile_one(job: Job) -> None:
            nonlocal done
            with one:
                left = (time.monotonic() - begun) * (total - done) / done if done else None
                how_far = "" if left is None else f" {100 * done // total} %, {left / 60:.1f} min left"
                print(f"compiling {next(numbers)} of {len(waiting)} {job.source}{job.isa}{how_far}", flush=True)
            self.compiler.compile(
                [job.source],
                output_dir=str(job.folder),
                include_dirs=["csrc", str(generated), *sorted(includes)],
                extra_postargs=spelled([*FLAGS, *dependencies(job), *job.flags, *EXTRA_FLAGS], clang),
            )
            with one:
                done += job.seconds

        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(compile_one, waiting))
        if waiting:
            print(f"compiled {len(waiting)} files in {time.monotonic() - begun:.0f} s", flush=True)
        for ext in self.extensions:
            self.link(ext, [str(job.target) for job in jobs[ext.name]])

    def prepare_compiler(self) -> bool:
        """Whether the compiler is Clang. On Windows it always is, by the name of clang-cl: the kernels are written in
        vector types that MSVC's own compiler does not know."""
        if not WINDOWS:
            command = getattr(self.compiler, "compiler_so_cxx", self.compiler.compiler_so)[0]
            said = subprocess.run([command, "--version"], capture_output=True, encoding="utf-8", errors="replace")
            return "clang" in said.stdout
        self.compiler.initialize()
        self.compiler.cc = os.environ.get("CXX", "clang-cl")
        self.compiler.compile_options = [each for each in self.compiler.compile_options if each != "/GL"]
        return True

    def link(self, ext: Pybind11Extension, objects: list[str]) -> None:
        target = self.get_ext_fullpath(ext.name)
        partial = f"{target}.partial"
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(
            [*objects, *runtime(self.compiler)],
            partial,
            libraries=[] if WINDOWS else ["pthread"],
            extra_postargs=EXTRA_FLAGS,
            target_lang="c++",
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


class SourceDistribution(sdist):
    """The whole source tree, and beside this file the commit that it is of, for what is built from it."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        runpy.run_path("bench/machine/checkout.py")["leave"](Path(base_dir), Path(__file__).resolve())


def description() -> str:
    """README.md for an index's page, beside which there are no files: links into the source tree become text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\[([^]]+)\]\((?!https?:)[^)]+\)", r"\1", text)


def chosen_isas(wanted: str, compiler: list[str]) -> dict[str, list[str]]:
    """The instruction sets to compile for, with their flags. "native": the best that this machine's CPU has, all where
    the compiler cannot tell; other names: these and baseline."""
    every = ISA_FLAGS.get(machine(), {"baseline": []})
    if wanted == "all":
        return every
    if wanted == "native":
        macros = native_macros(compiler) if any(every.values()) else set()
        if macros is None:
            return every
        best = [isa for isa, flags in every.items() if {macro(flag) for flag in flags} <= macros][-1]
        return {best: every[best]}
    names = [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in every]:
        raise SystemExit(
            f"ACCEL_BUILD_ISA={wanted}: no instruction set {', '.join(map(repr, unknown))} of {machine()}; "
            f"expected native, all, or some of {', '.join(every)}"
        )
    return {isa: flags for isa, flags in every.items() if isa in ("baseline", *names)}


def native_macros(compiler: list[str]) -> set[str] | None:
    """What the compiler defines for this machine's CPU; None where it is one that cannot say."""
    asked = [*compiler, "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    try:
        said = subprocess.run(asked, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = {line.split()[1] for line in said.stdout.splitlines() if line.startswith("#define ")}
    return found if said.returncode == 0 and found else None


def macro(flag: str) -> str:
    """What is defined where a flag -m<feature> is in force."""
    return f"__{flag.removeprefix('-m').upper()}__"


def kernel_jobs(build: Path, isas: dict[str, list[str]]) -> list[Job]:
    """What is compiled for instruction sets."""
    jobs = [
        Job(
            f"csrc/families/{family}.cpp", build / isa, [*KERNEL_FLAGS, *own, *flags, "-include", f"csrc/isa/{isa}.hpp"]
        )
        for family, own in FAMILIES.items()
        for isa, flags in isas.items()
    ]
    if "avx512" in isas:
        jobs += [Job(f"csrc/isa/{name}.cpp", build, [*KERNEL_FLAGS, *flags]) for name, flags in EXTENSIONS.items()]
    return jobs


def own_flags(source: str) -> list[str]:
    """Flags of a source that is compiled once."""
    path = Path(source)
    return BINDING_FLAGS if path.parent.name == "bindings" or path.name == "module.cpp" else []


def dependencies(job: Job) -> list[str]:
    """Lets the compiler list what an object is made from, beside it. GCC finds the place by itself."""
    return ["-MMD", "-MF", str(job.target.with_suffix(".d"))] if WINDOWS else ["-MMD"]


def spelled(flags: list[str], clang: bool) -> list[str]:
    """Flags of GCC as the compiler at hand wants them."""
    if clang:
        flags = [*(flag for flag in flags if flag not in GCC_ONLY), *CLANG_ONLY]
    return [f"/clang:{flag}" for flag in flags] if WINDOWS else flags


def runtime(compiler: Any) -> list[str]:
    """Clang's own library, which says what a CPU supports, and which MSVC's linker does not know of."""
    if not WINDOWS:
        return []
    asked = [compiler.cc, "/clang:--rtlib=compiler-rt", "/clang:--print-libgcc-file-name"]
    return [subprocess.run(asked, capture_output=True, encoding="utf-8", check=True).stdout.strip()]


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
    """The processor that is compiled for, which need not be this machine's: macOS's tools build for both of theirs."""
    name = sysconfig.get_platform().split("-")[-1].lower()
    if name == "universal2":  # of which one half is built
        name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def sources(folder: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(f"{folder}/*.cpp"))


CORE = Pybind11Extension("accel._core", sources("csrc/core"), include_dirs=[numpy.get_include()])
CPU = Pybind11Extension("accel._cpu", [*sources("csrc"), "csrc/python/launch.cpp", *sources("csrc/bindings")])

folders = {package: folder for package, folder in FOLDERS.items() if (ROOT / folder / "__init__.py").exists()}
setup(
    packages=[
        name
        for package, folder in folders.items()
        for name in (package, *(f"{package}.{below}" for below in find_packages(ROOT / folder)))
    ],
    package_dir=folders,
    package_data={
        "accel": ["py.typed", "testing/known_failures/*.txt", "receipts/schema.json"],
        "accel.kernels": ["**/*.cl", "**/*.json"],
        "accel.bench": ["schema.json", "cpu/guards.toml", "report/templates/*", "workloads/*.toml", "suites.toml"],
    },
    ext_modules=[CORE, CPU],
    long_description=description(),
    long_description_content_type="text/markdown",
    cmdclass={"build_py": BuildPython, "build_ext": BuildNative, "sdist": SourceDistribution},
)
