"""One tensor-op layer for every accelerator vendor, with the same bits on all of them.

Names follow the Python array API standard; `accel.nn` follows torch.nn.functional, `accel.special` SciPy. Arrays come
in and go out in their own kind: NumPy arrays, torch tensors, pyopencl arrays, `accel.Array`.
"""

from . import _core  # isort: skip  # first: it refuses a subinterpreter, before NumPy is loaded into it

from math import e, inf, nan, pi
from types import ModuleType as _Module

with _core.FloatEnvironment():  # literals get their values when a module is compiled, which this is the first to do
    from . import ops as _ops
from .array import Array
from .autodiff import checkpoint, grad, jvp, value_and_grad, vjp
from .config import config
from .creation import asarray, empty, empty_like, from_dlpack, full, full_like, ones, ones_like, zeros, zeros_like
from .data_types import can_cast, finfo, iinfo, isdtype, result_type
from .devices import default_device, device, devices, synchronize
from .dispatch import FallbackWarning
from .dtypes import DTYPES as _DTYPES
from .dtypes import DType
from .errors import (
    AccelError,
    ArgumentError,
    AxisError,
    BackendUnavailableError,
    CompileError,
    ConfigError,
    DeviceError,
    DtypeError,
    FileError,
    LinAlgError,
    OutOfMemoryError,
    RangeError,
    RankError,
    ShapeError,
    SizeError,
    UnsupportedError,
)
from .explain import explain
from .files import load, save, savez, savez_compressed
from .fuse import fuse
from .memory import Device
from .namespace_info import __array_namespace_info__
from .numerics import BIT_CONTRACT
from .ops.complex.part import conj, imag, real
from .ops.composed.closeness import array_equal
from .ops.composed.stopping import stop_gradient
from .ops.concatenation import concat, stack
from .ops.einsum import einsum, einsum_path
from .ops.histograms import bincount, digitize, histogram
from .ops.indexed import (
    gather,
    index_copy,
    index_fill,
    index_reduce,
    index_select,
    masked_fill,
    masked_scatter,
    masked_select,
    scatter,
    scatter_add,
    scatter_reduce,
)
from .ops.manipulation import diff, flip, moveaxis, repeat, tile, unstack
from .ops.matrices import cross, tensordot, vecdot
from .ops.quantiles import percentile
from .ops.rearranging import (
    array_split,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    column_stack,
    diag,
    diagonal,
    dstack,
    fliplr,
    flipud,
    hstack,
    kron,
    outer,
    ravel,
    rot90,
    split,
    swapaxes,
    trace,
    tri,
    vstack,
)
from .ops.sampled import convolve, gradient
from .ops.searching import nonzero
from .ops.sets import unique_all, unique_counts, unique_inverse, unique_values
from .ops.views import broadcast_shapes, broadcast_to, expand_dims, matrix_transpose, permute_dims, reshape, squeeze
from .profile import Profile, ProfileRow, profile
from .ranges import arange, broadcast_arrays, eye, linspace, meshgrid, tril, triu
from .registry import OPS as _OPS

from . import ending as _ending, fft, linalg, nn, operators as _operators, protocols as _protocols, special  # isort: skip
from . import methods as _methods, random  # isort: skip
from .ops import quantiles as _quantiles  # isort: skip

__version__ = "0.1.0"
__array_api_version__ = "2025.12"
newaxis = None

globals().update({dtype.name: dtype for dtype in _DTYPES.values()})
globals().update({spec.name: spec.function for spec in _OPS.values() if spec.namespace == ""})
clip = _ops.primitive.pointwise.clip
quantile = _quantiles.quantile

__all__ = sorted(
    [name for name, value in globals().items() if not (name.startswith("_") or isinstance(value, _Module))]
    + [
        "fft",
        "linalg",
        "nn",
        "optim",
        "random",
        "special",
        "__version__",
        "__array_api_version__",
        "__array_namespace_info__",
    ]
)


def __getattr__(name: str) -> _Module:
    """accel.optim, which most programs do without, is imported where it is asked for."""
    if name != "optim":
        raise AttributeError(f"module 'accel' has no attribute {name!r}")
    from importlib import import_module

    return import_module(".optim", __name__)


def __dir__() -> list[str]:
    return sorted({*globals(), "optim"})
