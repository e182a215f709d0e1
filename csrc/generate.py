"""Writes the headers that follow from the Python sources: contract.hpp; functions/ and casts/ of every scalar function
and cast, all_functions.hpp and all_casts.hpp; and isas.hpp, of the instruction sets that are compiled. A source that
needs a few functions includes those: to read all takes a compiler seconds. Standard library only.

python csrc/generate.py FOLDER ISA...
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
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


def generate(folder: Path, isas: Iterable[str]) -> None:
    """The constants of the bit contract, and every scalar function and cast, as C++; what the sources of families/
    define once per instruction set, of which `isas` are compiled, the lowest first."""
    numerics = _load("accel_build_numerics", SOURCES / "numerics.py")
    _load("accel_build_scalar", SOURCES / "scalar" / "__init__.py")
    cpp = importlib.import_module("accel_build_scalar.cpp")
    cpp_vector = importlib.import_module("accel_build_scalar.cpp_vector")
    lines = "".join(f"inline constexpr int {name} = {getattr(numerics, key)};\n" for key, name in CONSTANTS.items())
    _write(folder / "contract.hpp", f"#pragma once\nnamespace accel {{\n{lines}}}  // namespace accel\n")
    lanes = cpp_vector.functions()
    functions = {
        name: f"{text}\n#if defined(__AVX2__)\n{lanes[name]}#endif\n" if name in lanes else text
        for name, text in cpp.functions().items()
    }
    _write_all(folder, "functions", functions, f"{cpp.function_tables()}\n{cpp_vector.function_tables()}")
    _write_all(folder, "casts", cpp.casts(), cpp.cast_table())
    _write(folder / "isas.hpp", _isas(list(isas)))


def _write_all(folder: Path, kind: str, texts: dict[str, str], tables: str) -> None:
    """A header for each text, and one of them all, with tables, to be included in an instruction set's namespace."""
    for name, text in texts.items():
        _write(folder / kind / f"{name}.hpp", f"#pragma once\n{text}")
    every = "".join(f'#include "{kind}/{name}.hpp"\n' for name in texts)
    _write(folder / f"all_{kind}.hpp", f"#pragma once\n{every}{tables}")


def _isas(names: list[str]) -> str:
    lowest, *others = names
    spaces = " ".join(f"namespace {isa} {{ __VA_ARGS__; }}" for isa in names)
    quoted = ", ".join(f'"{isa}"' for isa in names)
    choice = "".join(f'std::string_view(isa) == "{isa}" ? {isa}::name : ' for isa in others)
    return "\n".join(
        (
            "#pragma once",
            "#include <string_view>",
            "/// Declares the same in the namespace of every instruction set that is compiled in.",
            f"#define ACCEL_IN_EACH_ISA(...) {spaces}",
            "/// What has been declared so, of an instruction set by its name, which is one of those.",
            f"#define ACCEL_OF_ISA(isa, name) ((void)(isa), {choice}{lowest}::name)",
            f"#define ACCEL_ISAS {quoted}",
            *(f"#define ACCEL_HAS_{isa.upper()} 1" for isa in names),
            "",
        )
    )


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
    generate(Path(sys.argv[1]), sys.argv[2:])
