"""Rows of the null backend."""
