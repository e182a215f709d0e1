"""Triton kernels as every device of the backend takes them: loaded in two forms, given arguments, compiled.

A kernel file is executed twice, each time as a module of its own: once with Triton's interpreter on while
``@triton.jit`` decorates, once with it off. So interpreted and compiled kernels live in one process, whatever
TRITON_INTERPRET says. Such a file may use built-ins of triton.language only: what is written in Triton itself (tl.sum,
tl.zeros, tl.cdiv…) got its form when Triton was imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from ..array import Array
from ..cache import Cache
from ..cache_folder import keep
from ..dtypes import TABLE
from ..errors import CompileError
from ..scalar import Program
from ..scalar.triton import print_program
from .base import Launch, Slot
from .compiling import compiling
from .triton_shapes import keep_shapes

LANGUAGE = threading.RLock()
"""Held while a kernel is loaded, compiled or interpreted: while the interpreter runs, triton.language is another."""

TYPES = {
    "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64",
    "float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64",
}  # fmt: skip
"""Triton's short names of element types."""

WIDE = 1 << 31
"""Element offsets from here on need 64-bit arithmetic."""

ALIGNED = "ALIGNED"
"""The parameter that tells a kernel of the addresses behind its pointers."""

COUNTERS = 4096
"""The counters that a kernel can have at most."""

Start = Callable[[Sequence[Array]], None]
"""start(the array behind every pointer, in the order of the parameters): queues a launch"""

COMPILED = 256
"""Compiled kernels that a device keeps at least; plans hold those that they launch, and Triton's own cache has all."""


def _multiple_of(n: int) -> list[list[Any]]:
    """Triton's attributes of an argument that is a multiple of n."""
    return [["tt.divisibility", n]]


def storage(dtype: str) -> str:
    """The dtype that elements are loaded and stored as: 16-bit floats as their bits, bool as a byte."""
    return {"bool": "uint8", "float16": "uint16", "bfloat16": "uint16"}.get(dtype, dtype)


@dataclass(frozen=True)
class Pointer:
    """A pointer parameter of a kernel; each launch gives the buffer and byte offset behind it."""

    dtype: str


@dataclass(frozen=True)
class Specialization:
    """What a kernel is compiled for.

    function: in the device's form. arguments: by parameter name: a `Pointer`, an integer, a tuple of such things, or,
    for a parameter annotated tl.constexpr, any constant. index: ``i32`` or ``i64``, the type of the integers; 0 and 1
    are made constants and multiples of ``multiple`` are known as such, on every device alike: so many of the smallest
    elements are 16 bytes, the widest access, which rows of such a length then begin at. general: parameters of
    whose integers nothing is known, so that one kernel serves all. counters: how many int64 the last pointer leads to,
    which the device supplies: they are 0 when a launch begins, no other launch has them meanwhile, and the kernel
    leaves them at 0. scratch: bytes that the compiler may take of the last pointer's memory for each program instance.
    near: of the first pointers, whether all offsets are below 2 GiB and none is negative, so that AMD's buffer
    instructions reach what is there. A constant parameter of the name `ALIGNED` is none of the arguments: it is whether
    all pointers are multiples of 16 bytes.
    """

    function: Any
    arguments: Mapping[str, Any]
    index: str = "i32"
    num_warps: int = 4
    num_stages: int = 2
    general: frozenset[str] = frozenset()
    counters: int = 0
    scratch: int = 0
    near: tuple[bool, ...] = ()

    @cached_property
    def multiple(self) -> int:
        pointers: list[Pointer] = []
        self.bind(lambda pointer: pointers.append(pointer), lambda value, general: None)
        return 16 // min((TABLE[pointer.dtype].itemsize for pointer in pointers), default=1)

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def path(self) -> str:
        """The kernel's source file."""
        return _file(self.function)

    def bind(
        self, pointer: Callable[[Pointer], Any], integer: Callable[[int, bool], Any], aligned: bool = True
    ) -> list[Any]:
        """The arguments in the order of the parameters, with pointers and integers replaced; constants as they are.
        integer(value, general)."""

        def replaced(value: Any, general: bool) -> Any:
            if isinstance(value, tuple):
                return tuple(replaced(v, general) for v in value)
            return pointer(value) if isinstance(value, Pointer) else integer(value, general)

        return [
            self._constant(name, aligned) if constant else replaced(self.arguments[name], name in self.general)
            for name, constant in _parameters(self.function).items()
        ]

    def _constant(self, name: str, aligned: bool) -> Any:
        return aligned if name == ALIGNED else self.arguments[name]

    def bound(self) -> Callable[[Sequence[int]], list[Any]]:
        """What gives the arguments in the order of the parameters for the addresses of all pointers, which are
        parameters or make up whole tuples. The rest is made once: this is most of what a small launch costs."""
        made = self.bind(lambda pointer: pointer, lambda value, general: int(value))
        single = [(i, 0) for i, value in enumerate(made) if isinstance(value, Pointer)]
        tuples = [(i, len(v)) for i, v in enumerate(made) if isinstance(v, tuple) and v and isinstance(v[0], Pointer)]
        places = sorted(single + tuples)

        def arguments(addresses: Sequence[int]) -> list[Any]:
            result, at = made.copy(), 0
            for i, length in places:
                result[i] = tuple(addresses[at : at + length]) if length else addresses[at]
                at += length or 1
            return result

        return arguments

    def compile(self, target: Any, aligned: bool, fusion: bool = False) -> Any:
        """Triton's CompiledKernel for a GPUTarget.

        aligned: whether all pointers are multiples of 16 bytes. fusion: contraction of multiply and add, for controls
        of tests only. Raises CompileError.
        """
        import triton
        from triton.compiler import ASTSource

        signature, constants, attributes = self._describe(aligned)
        options = {"num_warps": self.num_warps, "num_stages": self.num_stages, "enable_fp_fusion": fusion}
        try:
            with LANGUAGE, compiling():
                source = ASTSource(self.function, signature, constants, attributes)
                return triton.compile(source, target=target, options=options)
        except Exception as error:
            where = f"{self.name} for {target.backend} {target.arch}"
            more = " (what it complains of is on stderr)" if "PassManager" in str(error) else ""
            raise CompileError(f"{where}: {_words(error)}{more}\nsource: {self.path}") from error

    def _describe(self, aligned: bool) -> tuple[dict[str, Any], dict[tuple[int, ...], Any], dict[tuple[int, ...], Any]]:
        """Triton's signature, constants and attributes, the latter two by the argument's path."""
        signature: dict[str, Any] = {}
        constants: dict[tuple[int, ...], Any] = {}
        attributes: dict[tuple[int, ...], Any] = {}
        near = iter(self.near)

        def described(value: Any, path: tuple[int, ...], general: bool) -> Any:
            if isinstance(value, tuple):
                return tuple(described(v, (*path, i), general) for i, v in enumerate(value))
            if isinstance(value, Pointer):
                known = _multiple_of(16) if aligned else []
                if next(near, False):
                    known.append(["tt.pointer_range", 32])
                if known:
                    attributes[path] = known
                return "*" + TYPES[value.dtype]
            if general:
                return self.index
            if value in (0, 1):
                constants[path] = value
                return "constexpr"
            if value % self.multiple == 0:
                attributes[path] = _multiple_of(self.multiple)
            return self.index

        for position, (name, constant) in enumerate(_parameters(self.function).items()):
            if constant:
                constants[(position,)] = self._constant(name, aligned)
                signature[name] = "constexpr"
            else:
                signature[name] = described(self.arguments[name], (position,), name in self.general)
        return signature, constants, attributes

    def parameters(self) -> tuple[int | None, ...]:
        """The parameters that the compiled kernel has: integers, and None for a pointer."""
        result: list[int | None] = []

        def integer(value: int, general: bool) -> None:
            if general or value not in (0, 1):
                result.append(int(value))

        self.bind(lambda _: result.append(None), integer)
        return tuple(result)

    def packed(self, addresses: Iterable[int]) -> list[tuple[str, int]]:
        """(struct code, value) of those parameters."""
        code, left = {"i32": "i", "i64": "q"}[self.index], iter(addresses)
        return [("Q", next(left)) if value is None else (code, value) for value in self.parameters()]

    def key(self) -> tuple[Any, ...]:
        """Equal for what compiles to the same code."""
        signature, constants, attributes = self._describe(True)
        return (self.function, self.num_warps, self.num_stages, str(signature), _frozen(constants), str(attributes))

    def portable(self, aligned: bool) -> tuple[str, str]:
        """(digest of what it is compiled for, digest of its source), which are the same in every process."""
        signature, constants, attributes = self._describe(aligned)
        functions = [value for _, value in sorted(constants.items()) if hasattr(value, "cache_key")]
        asked = (
            Path(self.path).name, self.name, self.num_warps, self.num_stages, aligned, sorted(signature.items()),
            [(path, _portable(value)) for path, value in sorted(constants.items())], sorted(attributes.items()),
        )  # fmt: skip
        with LANGUAGE:
            sources = [function.cache_key for function in (self.function, *functions)]
        return hashlib.sha256(str(asked).encode()).hexdigest(), hashlib.sha256(str(sources).encode()).hexdigest()


def _portable(value: Any) -> str:
    """A constant in words that are the same in every process: functions by their file and name."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_portable, value))})"
    return f"{Path(_file(value)).name}:{value.__name__}" if hasattr(value, "cache_key") else repr(value)


def prepare(device: Any, what: Specialization, grid: int, operands: tuple[Slot, ...], sizes: Sequence[int]) -> Launch:
    """The launch of a number of program instances on a device of the backend; compiles it. operands: of the pointers,
    in the order of the parameters, without the counters. sizes: bytes of an element of each, 1 for scratch. Raises
    CompileError."""
    if device.architecture.startswith("gfx"):
        what = replace(what, near=tuple(slot.near for slot in operands))
    return Launch(device.prepare(what, grid, sizes), operands, what, (grid,))


def addresses_of(arrays: Sequence[Array], sizes: Sequence[int]) -> list[int]:
    """Where the arrays' first elements are; sizes: of an element of each, in bytes."""
    return [x.buffer.address + x.offset * size for x, size in zip(arrays, sizes, strict=True)]


def _words(error: BaseException) -> str:
    """What a compiler says, the innermost message first: Triton reports one error for each function on the way."""
    said: list[str] = []
    while error is not None:
        words = str(error).strip() or type(error).__name__
        if not any(words in earlier for earlier in said):
            said.insert(0, words)
        error = error.__cause__
    return "\n".join(said)


def _frozen(constants: dict[tuple[int, ...], Any]) -> tuple[Any, ...]:
    return tuple((path, id(v) if callable(v) else repr(v)) for path, v in sorted(constants.items()))


@cache
def _parameters(function: Any) -> dict[str, bool]:
    """Parameter names, and whether each is a tl.constexpr."""
    signature = inspect.signature(getattr(function, "fn", function))
    return {name: "constexpr" in str(p.annotation) for name, p in signature.parameters.items()}


# sources


@cache
def load(path: str, interpreted: bool) -> ModuleType:
    """The module of a kernel file, executed with its @triton.jit functions in one form.

    Those that it imports from other kernel files are replaced by their namesakes of that form. Interpreted functions
    are the plain functions that Triton makes of them; they run inside `interpreting` only.
    """
    import triton
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    form = "interpreted" if interpreted else "compiled"
    spec = importlib.util.spec_from_file_location(f"accel_triton_{Path(path).stem}_{form}", path)
    if spec is None or spec.loader is None:
        raise CompileError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    with LANGUAGE, triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = interpreted
        spec.loader.exec_module(module)
        for name, value in list(vars(module).items()):
            if isinstance(value, (InterpretedFunction, JITFunction)):
                owner = _file(value)
                if owner != path:
                    setattr(module, name, getattr(load(owner, interpreted), value.__name__))
                elif interpreted:
                    setattr(module, name, value.rewrite())
    return module


def _file(function: Any) -> str:
    """The source file of a function in any form."""
    return getattr(function, "fn", function).__code__.co_filename


@contextlib.contextmanager
def interpreting(
    function: Callable[..., None], reduce: Callable[..., Any], **methods: Callable[..., Any]
) -> Iterator[Any]:
    """Triton's interpreter, switched on for an interpreted function: its builder, with some methods replaced.

    reduce: what tl.reduce does, by the interpreter's object for it and the operands.
    """
    from triton.runtime import interpreter

    builder = interpreter.interpreter_builder
    with LANGUAGE:
        scope = interpreter._patch_lang(function)
        scope.set_attr(interpreter.ReduceOps, "apply_impl", reduce)
        keep_shapes(scope)
        vars(builder).update(methods)
        try:
            yield builder
        finally:
            for name in methods:
                delattr(builder, name)
            scope.restore()


_files: Cache[tuple[Any, ...], str] = Cache(1024)


def functions(
    programs: Mapping[str, Program], interpreted: bool, form: Callable[[str], str] = lambda path: path
) -> tuple[Any, ...]:
    """Triton functions of scalar programs, in their order, by the names they are to have. form(path): the file that
    stands for one on a device.

    Triton wants source files: the text is written to a file of the cache folder, named by its hash.
    """
    key = (tuple(programs.items()), interpreted)
    path = _files.find(key)
    if path is None:
        path = printed(
            "program", "\n\n".join([_HEADER, *(print_program(program, name) for name, program in programs.items())])
        )
        _files.keep(key, path)
    module = load(form(path), interpreted)
    return tuple(getattr(module, name) for name in programs)


_HEADER = '"""Scalar programs of accel, printed for Triton."""\n\nimport triton\nimport triton.language as tl'


def printed(stem: str, text: str) -> str:
    """The path of a kernel file with this text. Raises CompileError where it can be written nowhere."""
    name = f"{stem}_{hashlib.sha256(text.encode()).hexdigest()[:24]}.py"
    try:
        return str(keep("triton", {name: text.encode()}) / name)
    except OSError as error:
        raise CompileError(f"triton: the source of {name} cannot be written anywhere: {error}") from error
