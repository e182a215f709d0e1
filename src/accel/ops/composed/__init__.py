"""Ops that are functions of other ops, compiled as such (accel.graph)."""
