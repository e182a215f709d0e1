"""Packages (found below their folders) and the native extension accel._cpu, one object per source and instruction
set."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from pybind11.setup_helpers import Pybind11Extension
from setuptools import find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
ROOTS = {"accel": "src/accel", "accel.kernels": "kernels", "accel.bench": "bench"}

FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv"]
FLAGS += ["-g0", "-fvisibility=hidden", "-Wall", "-Wextra"]
# Further flags of the compiler and the linker, after all others, and how many files to compile at once.
EXTRA_FLAGS = os.environ.get("ACCEL_BUILD_FLAGS", "").split()
JOBS = int(os.environ.get("ACCEL_BUILD_JOBS", "2"))

AVX2 = ["-mavx2", "-mfma", "-mf16c"]
ISA_FLAGS = {
    "x86_64": {
        "baseline": [],
        "avx2": AVX2,
        "avx512": [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
    },
    "aarch64": {"baseline": [], "neon": []},
}


def load(name: str, path: Path) -> ModuleType:
    """A module of accel that needs only the standard library, apart from accel itself, which is not built yet."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def generate(folder: Path) -> None:
    """Writes the headers that follow from the Python sources: the scalar functions and the constants of the
    contract."""
    numerics = load("accel_build_numerics", ROOT / "src/accel/numerics.py")
    load("accel_build_scalar", ROOT / "src/accel/scalar/__init__.py")
    cpp = importlib.import_module("accel_build_scalar.cpp")
    constants = {name: getattr(numerics, name) for name in ("BIT_CONTRACT", "KC", "LANES", "BLOCK")}
    names = {"BIT_CONTRACT": "kBitContract", "KC": "kKC", "LANES": "kLanes", "BLOCK": "kBlock"}
    lines = "".join(f"inline constexpr int {names[name]} = {value};\n" for name, value in constants.items())
    write(folder / "contract.hpp", f"#pragma once\nnamespace accel {{\n{lines}}}  // namespace accel\n")
    write(folder / "scalar_functions.hpp", cpp.header())


def write(path: Path, text: str) -> None:
    """Leaves a file that has the same text untouched, so that nothing is compiled again for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


class BuildNative(build_ext):
    """Compiles every source with the flags of its instruction set, two at a time, and links them into one module."""

    def build_extension(self, ext: Pybind11Extension) -> None:
        machine = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
        build = Path(self.build_temp)
        generated = build / "generated"
        generate(generated)
        isas = ISA_FLAGS.get(machine, {"baseline": []})
        jobs = [(source, []) for source in ext.sources]
        jobs += [(f"csrc/isa/{isa}.cpp", flags) for isa, flags in isas.items()]
        headers = [*ROOT.glob("csrc/**/*.hpp"), *generated.glob("*.hpp"), Path(__file__)]
        newest = max(header.stat().st_mtime for header in headers)
        include = [str(generated), *ext.include_dirs]

        def compile_one(job: tuple[str, list[str]]) -> str:
            source, flags = job
            name = str(build / source.replace(".cpp", self.compiler.obj_extension or ".o"))
            stamp = max(newest, Path(source).stat().st_mtime)
            if self.force or not os.path.exists(name) or os.path.getmtime(name) < stamp:
                objects = self.compiler.compile(
                    [source], output_dir=str(build), include_dirs=include, extra_postargs=[*FLAGS, *flags, *EXTRA_FLAGS]
                )
                assert objects == [name], (objects, name)
            return name

        with ThreadPoolExecutor(JOBS) as pool:
            objects = list(pool.map(compile_one, sorted(jobs, key=lambda job: "isa/" not in job[0])))
        target = self.get_ext_fullpath(ext.name)
        partial = f"{target}.partial"
        self.compiler.link_shared_object(
            objects, partial, libraries=["pthread"], extra_postargs=EXTRA_FLAGS, target_lang="c++"
        )
        os.replace(partial, target)  # a process that has the old module loaded keeps it


def packages() -> tuple[list[str], dict[str, str]]:
    names, folders = [], {}
    for package, folder in ROOTS.items():
        if (ROOT / folder / "__init__.py").exists():
            names += [package, *(f"{package}.{name}" for name in find_packages(ROOT / folder))]
            folders[package] = folder
    return names, folders


names, folders = packages()
setup(
    packages=names,
    package_dir=folders,
    package_data={"accel.kernels": ["**/*.cl", "**/*.json"], "accel": ["py.typed", "testing/known_failures/*.txt"]},
    ext_modules=[
        Pybind11Extension(
            "accel._cpu",
            sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("csrc/*.cpp")),
            include_dirs=[],
        )
    ],
    cmdclass={"build_ext": BuildNative},
)
