"""Every error that accel raises on purpose. Each derives from `AccelError` and from the nearest built-in exception."""


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


class OutOfMemoryError(AccelError, MemoryError):
    """An allocation larger than the device can serve; live arrays are untouched."""


class CompileError(AccelError, RuntimeError):
    """A kernel failed to compile; the message carries the compiler's own words and the path of the source."""
