"""Machine code that `accel aot` wrote: kernels that launch on a machine without a compiler.

A folder holds a manifest and one file of code for each kernel. It is for one target, one version of the bit contract
and one Triton; each kernel in it is for one source. What fits is loaded by the driver itself: neither Triton's compiler
nor a C compiler, which Triton's own loader wants, is asked. Triton's Python package is needed, as kernels are written
in it, and torch, for memory and streams.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..errors import shown
from ..numerics import BIT_CONTRACT
from ..warn import warn
from .triton_kernel import Specialization

SCHEMA = "accel-aot/1"

MANIFEST = "manifest.json"

NEEDED = ("shared", "num_warps", "warp_size", "num_ctas", "launch_cooperative_grid", "launch_pdl")
"""What a launch needs of Triton's metadata of a kernel."""

Load = Callable[[bytes, str, int], int]
"""load(machine code, the kernel's name in it, bytes of shared memory): the driver's handle of the function"""


class PreparedKernel:
    """What stands for Triton's CompiledKernel. load: gives the driver's function; called at the first launch."""

    def __init__(self, entry: Mapping[str, Any], code: bytes, backend: str, load: Load) -> None:
        values = {name: entry["metadata"][name] for name in NEEDED}
        self.metadata = SimpleNamespace(
            **values, global_scratch_size=0, profile_scratch_size=0, target=SimpleNamespace(backend=backend)
        )
        self.name, self.code, self.function, self._load = entry["name"], code, 0, load

    @property
    def run(self) -> None:
        """Loads the code, as the attribute of Triton's class does."""
        if not self.function:
            self.function = self._load(self.code, self.name, self.metadata.shared)


class Folder:
    """A folder of prepared kernels. refusal: why none of it can be used on a target, or None. target: an architecture.
    triton: the version of the Triton that is there."""

    def __init__(self, path: Path, target: str, triton: str) -> None:
        self.path, self.refusal = path, None
        self.kernels: dict[str, dict[str, Any]] = {}
        self._said: set[str] = set()
        try:
            made = json.loads((path / MANIFEST).read_bytes())
            self.refusal = _refusal(made, target, triton)
            if self.refusal is None:
                self.kernels = {str(key): dict(entry) for key, entry in made["kernels"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.refusal = f"its {MANIFEST} cannot be read: {type(error).__name__}: {error}"
        if self.refusal is not None:
            warn(f"accel: the prepared kernels in {path} are not used: {self.refusal}", RuntimeWarning)

    def find(self, what: Specialization, aligned: bool, backend: str, load: Load) -> PreparedKernel | str:
        """The kernel for a specialization, or why there is none; of one that is there and cannot be used it also warns,
        once."""
        if self.refusal is not None:
            return self.refusal
        key, source = what.portable(aligned)
        if key not in self.kernels:
            return f"{self.path} has no {what.name} for these arguments"
        try:
            return self._of(self.kernels[key], source, backend, load)
        except (OSError, KeyError, TypeError, ValueError) as error:
            why = f"{self.path}: {what.name}: {error}"
            if why not in self._said:
                self._said.add(why)
                warn(f"accel: a prepared kernel is not used: {why}", RuntimeWarning)
            return why

    def _of(self, entry: Mapping[str, Any], source: str, backend: str, load: Load) -> PreparedKernel:
        """The kernel of an entry. Raises ValueError and the like where it is not what it should be."""
        if entry["source"] != source:
            raise ValueError("it was made from another source")
        code = (self.path / Path(entry["file"]).name).read_bytes()
        if hashlib.sha256(code).hexdigest() != entry["sha256"]:
            raise ValueError(f"{entry['file']} is damaged")
        return PreparedKernel(entry, code, backend, load)


def _refusal(made: Any, target: str, triton: str) -> str | None:
    if not isinstance(made, dict) or made.get("schema") != SCHEMA:
        return f"it is no manifest of schema {SCHEMA}"
    for what, have, want in (
        ("bit contract", made.get("bit_contract"), BIT_CONTRACT),
        ("target", made.get("target"), target),
        ("Triton", made.get("triton"), triton),
    ):
        if have != want:
            return f"it was made for {what} {shown(have)}, and this is {shown(want)}"
    return None


@cache
def folder(path: str, target: str, triton: str) -> Folder:
    """A folder, read once; warns once where it cannot be used."""
    return Folder(Path(path), target, triton)


def entry_of(what: Specialization, kernel: Any, aligned: bool) -> tuple[str, dict[str, Any], bytes] | None:
    """A compiled kernel as a folder has it: its key, its entry in the manifest and its code. None for one whose launch
    needs scratch memory, or which is instrumented: it is compiled where it runs."""
    its = kernel.metadata
    if its.global_scratch_size or its.profile_scratch_size or getattr(its, "instrumentation_mode", ""):
        return None
    kind = "cubin" if its.target.backend == "cuda" else "hsaco"
    code: bytes = kernel.asm[kind]
    key, source = what.portable(aligned)
    usual = {"num_ctas": 1, "launch_pdl": False}
    entry = {
        "file": f"{what.name}-{key[:24]}.{kind}",
        "sha256": hashlib.sha256(code).hexdigest(),
        "name": its.name,
        "source": source,
        "metadata": {name: getattr(its, name, usual.get(name)) for name in NEEDED},
    }
    return key, entry, code


def manifest(target: str, triton: str, kernels: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The manifest of a folder."""
    made = {"schema": SCHEMA, "bit_contract": BIT_CONTRACT, "target": target, "triton": triton, "kernels": kernels}
    return (json.dumps(made, indent=1, sort_keys=True) + "\n").encode()
