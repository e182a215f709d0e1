"""Ops that kernels compute: one file per stem of kernels, with the same name."""
