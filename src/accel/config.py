"""Settings and the environment variables behind them. No other module reads the environment.

Precedence: call argument, context manager, attribute of `config`, environment, automatic.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from . import _core, openmp
from .errors import ConfigError, shown
from .system import memory_bytes


@dataclass(frozen=True)
class Option:
    """One setting: its attribute, environment variable, automatic value, grammar, and parser of text to the value.

    apply: where the setting is the process's, not a call's: called with the value when it is first read or changes.
    effect: what it comes to in this process now, in words, where more than the value decides.
    """

    name: str
    variable: str
    default: Any
    grammar: str
    meaning: str
    parse: Callable[[str], Any]
    apply: Callable[[Any], None] | None = None
    effect: Callable[[], str] | None = None


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


def _some_of(*choices: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = tuple(word for word in _words(text) if word != "off")
        for word in words:
            if word not in choices:
                raise ValueError(f"{word!r} is not one of {', '.join(choices)}")
        return words

    return parse


def _backends(text: str) -> tuple[str, ...]:
    words = tuple(_words(text))
    if not words:
        raise ValueError("expected at least one backend name")
    if len(set(words)) < len(words):
        raise ValueError("a backend is listed twice")
    return words


def _overrides(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in _words(text):
        op, equals, backend = (part.strip() for part in word.partition("="))
        if not (op and equals and backend):
            raise ValueError(f"{word!r} is not op=backend")
        if any(op == earlier for earlier, _ in pairs):
            raise ValueError(f"{op!r} is named twice")
        pairs.append((op, backend))
    return tuple(pairs)


LARGEST = (1 << 31) - 1
"""The largest number of threads: what the C++ kernels' int holds."""


def positive(text: str) -> int:
    """A whole number of 1 to `LARGEST`. Raises ValueError."""
    try:
        number = int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None
    if not 1 <= number <= LARGEST:
        raise ValueError(f"expected at least 1 and at most {LARGEST}")
    return number


_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _bytes(text: str) -> int:
    number, unit = (text[:-1], _UNITS[text[-1].upper()]) if text[-1:].upper() in _UNITS else (text, 1)
    if not number.isdecimal():
        raise ValueError("expected a whole number, or one followed by K, M or G")
    return int(number) * unit


def _pool(limit: int | None) -> None:
    """Sets the limit of the pool of host memory; None: an eighth of the machine's memory."""
    if limit is None:
        memory = memory_bytes()
        limit = 1 << 30 if memory is None else memory // 8
    _core.set_idle_limit(min(limit, 1 << 62))


def _text(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("expected some text")
    return text.strip()


OPTIONS: tuple[Option, ...] = (
    Option("backend", "ACCEL_BACKEND", None, "name[,name…]", "backends to consider, in order", _backends),
    Option("device", "ACCEL_DEVICE", None, "cpu, opencl:0, opencl:intel, triton:0…", "exactly one device", _text),
    Option("override", "ACCEL_OVERRIDE", (), "op=backend[,op=backend…]", "backend per operation", _overrides),
    Option("fallback", "ACCEL_FALLBACK", "warn", "warn | allow | error", "running on the CPU what the device "
           "cannot run", _one_of("warn", "allow", "error")),
    Option("fusion", "ACCEL_FUSION", "on", "on | off", "whether compositions are compiled into few kernels; off: their "
           "ops run one by one, with the same bits", _one_of("on", "off")),
    Option("check", "ACCEL_CHECK", "late", "late | sync | off", "when an index out of range is an IndexError: at the "
           "call where the host need not wait for the device, else when that is synchronised or copied from; sync: at "
           "the call everywhere; off: never, it reads 0 and writes nothing", _one_of("late", "sync", "off")),
    Option("numerics", "ACCEL_NUMERICS", "default", "reproducible | default | fast", "see docs/numerics.md",
           _one_of("reproducible", "default", "fast")),
    Option("verbose", "ACCEL_VERBOSE", (), "dispatch[,profile] | profile | off", "dispatch: one line per call on "
           "stderr, with profile its time; profile: a table of all calls at the end of the process",
           _some_of("dispatch", "profile")),
    Option("num_threads", "ACCEL_NUM_THREADS", None, "whole number", "CPU threads; else OMP_NUM_THREADS; else the "
           "cores this process may use (its affinity and its cgroup's quota)", positive),
    Option("openmp", "ACCEL_OPENMP", "join", "join | off", "whether torch's OpenMP runtime starts the CPU kernels' "
           "threads, in a process that gives accel torch's tensors: its own then leave them the cores",
           _one_of("join", "off"), openmp.choose, openmp.effect),
    Option("cpu_isa", "ACCEL_CPU_ISA", None, "baseline | avx2 | avx512 | neon", "highest CPU instruction set to use",
           _one_of("baseline", "avx2", "avx512", "neon")),
    Option("cache_dir", "ACCEL_CACHE_DIR", None, "folder", "compiled kernels and tuning results; else the user's cache "
           "folder; a temporary one where that cannot be written", _text),
    Option("pool_limit", "ACCEL_POOL_LIMIT", None, "bytes, or a number with K, M or G", "host memory that is kept for "
           "the next arrays; else an eighth of the machine's", _bytes, _pool),
    Option("aot", "ACCEL_AOT", None, "folder", "machine code that accel aot wrote, whose kernels need no "
           "compiler", _text),
    Option("tune", "ACCEL_TUNE", "load", "off | load", "whether kernels take tiles that were measured, as accel tune "
           "does; off: those that they compute, with the same bits", _one_of("off", "load")),
)  # fmt: skip

_BY_NAME = {option.name: option for option in OPTIONS}

CHECKS: dict[str, Callable[[Any], None]] = {}
"""By option: what the modules above know of its parsed values, such as which backends there are. A check raises
ValueError for a value that means nothing."""


def parse(option: Option, text: str) -> Any:
    """The value of a setting's text. Raises ValueError where the text is outside the grammar or means nothing."""
    value = option.parse(text)
    if option.name in CHECKS:
        CHECKS[option.name](value)
    return value


class Settings:
    """A frozen snapshot of all settings. Equal snapshots are one object, so identity serves as a cache key.

    profiled: whether calls are recorded, by `accel.profile` or as ``verbose`` says.
    """

    __slots__ = (*(option.name for option in OPTIONS), "profiled")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a snapshot of settings does not change; set accel.config's attributes")

    def __reduce__(self) -> tuple[Any, ...]:
        return _snapshot, ({name: getattr(self, name) for name in self.__slots__},)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


_snapshots: dict[tuple[Any, ...], Settings] = {}


def _snapshot(values: dict[str, Any]) -> Settings:
    key = tuple(values[name] for name in Settings.__slots__)
    if key not in _snapshots:
        settings = Settings()
        for name, value in zip(Settings.__slots__, key, strict=True):
            object.__setattr__(settings, name, value)
        _snapshots.setdefault(key, settings)
    return _snapshots[key]


def _parsed(option: Option, value: Any, source: str) -> Any:
    """A value given as text, or as what the parser would return, checked by the option's grammar."""
    if value is None:
        return option.default
    text = value
    if not isinstance(value, str):
        if isinstance(value, dict):
            text = ",".join(f"{k}={v}" for k, v in value.items())
        elif isinstance(value, (tuple, list)):
            text = ",".join("=".join(item) if isinstance(item, tuple) else str(item) for item in value)
        else:
            text = str(value)
        if not text and option.default == ():
            return ()
    try:
        return parse(option, text)
    except ValueError as error:
        raise ConfigError(f"{source}={shown(text)}: {error}; its grammar is: {option.grammar}") from None


def environment(name: str) -> str | None:
    """The environment variable of that name, for the few variables of others that accel honours."""
    return os.environ.get(name)


def set_environment(name: str, value: str | None) -> None:
    """Sets a vendor's own variable for this process, before the vendor's library reads it; None: removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def child_environment(without: Iterable[str] = ()) -> dict[str, str]:
    """The environment for a child process, but for the variables named."""
    return {name: value for name, value in os.environ.items() if name not in without}


class Config:
    """`accel.config`: settings as attributes, and a context manager that changes some of them.

        accel.config.backend = "opencl,cpu"
        with accel.config(numerics="reproducible"):
            ...

    Attributes hold for the process; the context manager holds for the current thread (or asynchronous task), and for
    threads started within where Python hands its context on to them (``sys.flags.thread_inherit_context``: so do
    free-threaded builds from 3.14 on). None sets an option back to automatic. The environment is read once, at the
    first use.

    scope: what the context manager changed here. snapshots: the settings in force by scope, where worked out already.
    """

    def __init__(self) -> None:
        object.__setattr__(self, "_environment", None)
        object.__setattr__(self, "_process", {})
        object.__setattr__(self, "_profiled", False)
        object.__setattr__(self, "_lock", threading.RLock())
        object.__setattr__(self, "scope", ContextVar("accel.config", default=None))
        object.__setattr__(self, "snapshots", {})

    def _from_environment(self) -> dict[str, Any]:
        if self._environment is None:
            found = {}
            for option in OPTIONS:
                text = os.environ.get(option.variable)
                if text is not None and text.strip():
                    found[option.name] = _parsed(option, text, option.variable)
            object.__setattr__(self, "_environment", found)
            self._apply()
        return self._environment

    def current(self) -> Settings:
        """The settings in force here and now."""
        scope = self.scope.get()
        settings = self.snapshots.get(scope)
        if settings is None:
            with self._lock:  # what changes meanwhile must not be forgotten
                values = {option.name: option.default for option in OPTIONS}
                values.update(self._from_environment())
                values.update(self._process)
                values.update(dict(scope or ()))
                values["profiled"] = self._profiled or "profile" in values["verbose"]
                settings = self.snapshots[scope] = _snapshot(values)
        return settings

    def profile(self, on: bool) -> None:
        """Whether the calls of all threads are recorded, whatever ``verbose`` says (`accel.profile` sets it)."""
        with self._lock:
            object.__setattr__(self, "_profiled", on)
            self.snapshots.clear()

    def _apply(self) -> None:
        """Passes the process's settings on to what they set."""
        for option in OPTIONS:
            if option.apply is not None:
                option.apply(self._process.get(option.name, self._from_environment().get(option.name, option.default)))

    def reload(self) -> None:
        """Reads the environment again, and forgets what was set through attributes."""
        object.__setattr__(self, "_environment", None)
        self._process.clear()
        self.snapshots.clear()

    def source(self, name: str) -> str:
        """Where an option's value comes from: its variable, ``config``, ``context`` or ``automatic``."""
        if name in dict(self.scope.get() or ()):
            return "context"
        if name in self._process:
            return "config"
        return _BY_NAME[name].variable if name in self._from_environment() else "automatic"

    def origin(self, name: str) -> str:
        """How errors name the place that an option's value comes from: ``ACCEL_DEVICE``, ``config.device`` or
        ``config(device)``, as they were written."""
        source = self.source(name)
        return {"context": f"config({name})", "config": f"config.{name}", "automatic": name}.get(source, source)

    def __getattr__(self, name: str) -> Any:
        if name not in _BY_NAME:
            raise AttributeError(f"accel.config has no {name!r}; it has {', '.join(_BY_NAME)}")
        return getattr(self.current(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _BY_NAME:
            raise AttributeError(f"accel.config has no {name!r}; it has {', '.join(_BY_NAME)}")
        with self._lock:
            self._process[name] = _parsed(_BY_NAME[name], value, f"config.{name}")
            self.snapshots.clear()
            self._apply()

    @contextlib.contextmanager
    def __call__(self, **changes: Any) -> Iterator[Config]:
        """Changes some settings until the end of a with block."""
        values = dict(self.scope.get() or ())
        for name, value in changes.items():
            if name not in _BY_NAME:
                raise ConfigError(f"accel.config has no {name!r}; it has {', '.join(_BY_NAME)}")
            if _BY_NAME[name].apply is not None:
                raise ConfigError(f"config({name}): it holds for the whole process; set accel.config.{name}")
            values[name] = _parsed(_BY_NAME[name], value, f"config({name})")
        token = self.scope.set(tuple(sorted(values.items(), key=lambda item: item[0])))
        try:
            yield self
        finally:
            self.scope.reset(token)

    def __reduce__(self) -> str:
        return "config"  # the one of this module, wherever it is unpickled

    def __dir__(self) -> list[str]:
        return [*_BY_NAME, "current", "origin", "profile", "reload", "source"]

    def __repr__(self) -> str:
        rows = []
        for option in OPTIONS:
            row = f"{option.name} = {getattr(self, option.name)!r} ({self.source(option.name)})"
            rows.append(row if option.effect is None else f"{row}; {option.effect()}")
        return "accel.config\n  " + "\n  ".join(rows)


config = Config()


def _after_fork() -> None:
    """In a forked child: another thread of the parent's may have held the lock, and is not here to let it go."""
    object.__setattr__(config, "_lock", threading.RLock())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
