"""Every error that accel raises on purpose. Each derives from `AccelError` and from the nearest built-in exception."""

import numpy as np


class AccelError(Exception):
    """Base of all errors raised by accel."""


class ConfigError(AccelError, ValueError):
    """A setting, or an environment variable, has a value outside its grammar."""


class BackendUnavailableError(AccelError, RuntimeError):
    """A backend was asked for and cannot be used; the message says why and what fixes it."""


class DeviceError(AccelError, ValueError):
    """An unknown device, or arrays on two devices in one call."""


class UnsupportedError(AccelError, NotImplementedError):
    """No kernel, decomposition or permitted fallback serves this operation, dtype and device."""


class ShapeError(AccelError, ValueError):
    """Shapes that do not fit together; the message prints them."""


class AxisError(ShapeError, IndexError):
    """An axis out of range, or given twice."""


class DtypeError(AccelError, TypeError):
    """A dtype that the operation does not take, or dtypes that do not promote."""


class RangeError(DtypeError, ValueError):
    """A number that its dtype does not hold."""


class ArgumentError(AccelError, TypeError):
    """An argument of the wrong type."""


class FileError(AccelError, ValueError):
    """A file whose contents are not what they should be."""


class OutOfMemoryError(AccelError, MemoryError):
    """An allocation larger than the device can serve; live arrays are untouched."""

    __new__ = (
        Exception.__new__
    )  # MemoryError's refuses subclasses that begin with another base: tblib's pickles call it


class LinAlgError(AccelError, np.linalg.LinAlgError):
    """A matrix that an operation of linear algebra does not serve: singular, or not positive definite."""


class SizeError(ShapeError, OutOfMemoryError):
    """A shape that no memory holds and no view can have: 63 bits do not count its bytes."""


class CompileError(AccelError, RuntimeError):
    """A kernel failed to compile; the message carries the compiler's own words and the path of the source."""


class RankError(AccelError, RuntimeError):
    """Ranks of a process group that disagree about a call, or of which one ended or did not come in time."""


LINE = 80
"""Characters that a value takes in a message at most."""


def shown(value: object) -> str:
    """A value in a message: its repr, cut to a part of a line; of an array what it is, not what is in it.

    Python itself prints no integer of 4,300 digits.
    """
    try:
        return _shown(value)
    except RecursionError:  # a list may contain itself
        return f"a {type(value).__qualname__} of {len(value)}, nested without end"  # type: ignore[arg-type]


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)) and len(value) <= LINE:
        text = ", ".join(map(_shown, value)) + ("," if isinstance(value, tuple) and len(value) == 1 else "")
        text = f"({text})" if isinstance(value, tuple) else f"[{text}]"
    elif isinstance(value, int) and value.bit_length() > 3 * LINE:
        return f"an integer of {value.bit_length()} bits"
    elif not isinstance(value, type) and hasattr(value, "shape") and hasattr(value, "dtype"):
        text = f"an array of {value.dtype}, shape {tuple(value.shape)}"
    elif isinstance(value, (dict, set, frozenset)):
        text = f"a {type(value).__qualname__} of {len(value)}"
    else:
        try:
            text = " ".join(repr(value).split())
        except ValueError:
            text = f"a {type(value).__qualname__} with an integer of thousands of digits"
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"
