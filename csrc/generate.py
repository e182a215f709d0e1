"""Writes the headers that follow from the Python sources: contract.hpp, scalar_functions.hpp and
vector_functions.hpp. Standard library only.

python csrc/generate.py FOLDER
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SOURCES = Path(__file__).resolve().parent.parent / "src" / "accel"
CONSTANTS = {
    "BIT_CONTRACT": "kBitContract",
    "KC": "kKC",
    "LANES": "kLanes",
    "BLOCK": "kBlock",
    "SCAN": "kScan",
    "FACTOR": "kFactor",
    "SWEEPS": "kSweeps",
}


def generate(folder: Path) -> None:
    """The constants of the bit contract, and every scalar function and cast, as C++."""
    numerics = _load("accel_build_numerics", SOURCES / "numerics.py")
    _load("accel_build_scalar", SOURCES / "scalar" / "__init__.py")
    cpp = importlib.import_module("accel_build_scalar.cpp")
    cpp_vector = importlib.import_module("accel_build_scalar.cpp_vector")
    lines = "".join(f"inline constexpr int {name} = {getattr(numerics, key)};\n" for key, name in CONSTANTS.items())
    _write(folder / "contract.hpp", f"#pragma once\nnamespace accel {{\n{lines}}}  // namespace accel\n")
    _write(folder / "scalar_functions.hpp", cpp.header())
    _write(folder / "vector_functions.hpp", cpp_vector.header())


def _load(name: str, path: Path) -> ModuleType:
    """A module of accel without accel itself, which is not built yet."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _write(path: Path, text: str) -> None:
    """Leaves a file that has the same text untouched, so that nothing is compiled again for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
