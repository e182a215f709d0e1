"""What accel reads of this backend without starting it: import no driver here."""

from accel.backends.base import BackendInfo

INFO = BackendInfo(
    name="example",
    summary="NumPy as a device, to show what a backend must have",
    vendors=("example",),
    extra=None,  # an extra of this distribution that brings the driver's Python package, if there is one
    automatic=False,  # an out-of-tree backend is used only when it is asked for
    api_version=2,
)
