"""Metadata of the built-in backends, read without importing any driver. They register through the same entry points as
others."""

from .base import BackendInfo

CPU = BackendInfo("cpu", "C++ kernels for any CPU", vendors=("any",), automatic=True)
OPENCL = BackendInfo(
    "opencl",
    "OpenCL kernels, for Intel GPUs first",
    vendors=("Intel", "any OpenCL vendor"),
    extra="opencl",
    automatic=True,
)
TRITON = BackendInfo(
    "triton", "Triton kernels for NVIDIA and AMD GPUs", vendors=("NVIDIA", "AMD"), extra="triton", automatic=True
)
NULL = BackendInfo("null", "computes shapes, records launches, computes nothing: for tests and for measuring dispatch")
