"""The CPU backend under another name, with one fault per device: what the conformance kit must see. See `faults`."""

from accel.backends.base import BackendInfo

INFO = BackendInfo("wrong", "the CPU with faults to order, for the tests of the conformance kit")
