"""The backend of `faulty_backend`, installed into a folder or into this process, and cases with its faults."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from accel.bench.cases.case import Operand, Workload

FOLDER = Path(__file__).parent / "faulty_backend"
PACKAGE = "accel_faulty_backend"


def install(folder: Path) -> Path:
    """The distribution of the backend in a folder, as pip would leave it there."""
    shutil.copytree(FOLDER / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = folder / f"{PACKAGE}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: accel-faulty-backend\nVersion: 1.0\n", encoding="utf-8"
    )
    (metadata / "entry_points.txt").write_text(
        f"[accel.backends]\nfaulty = {PACKAGE}.backend:backend\n\n[accel.backend_info]\nfaulty = {PACKAGE}:INFO\n",
        encoding="utf-8",
    )
    return folder


def python_path(folder: Path) -> str:
    """PYTHONPATH with the folder before what it has."""
    return os.pathsep.join(word for word in (str(folder), os.environ.get("PYTHONPATH")) if word)


def case(fault: str, copy: int = 0, cache: str = "warm") -> Workload:
    """An addition whose result has the length that asks for the fault. copy: tells cases of one fault apart."""
    sys.path.insert(0, str(FOLDER))
    try:
        from accel_faulty_backend.kernels.pointwise import length
    finally:
        sys.path.remove(str(FOLDER))
    operand = Operand((length(fault),), "float32")
    name = f"fault/{fault}/{copy} add float32 {cache}"
    return Workload(name, None, None, None, 1, None, "add", "float32", (operand, operand), (), cache)
