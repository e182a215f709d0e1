"""A backend whose one kernel has the fault that the length of its result asks for: see `kernels.pointwise.FAULTS`."""

from accel.backends.base import BackendInfo

INFO = BackendInfo("faulty", "faults to order, for the tests of the bench suite")
