"""The kernel table: every module here has its rows as ``KERNELS``."""
