"""Models written with accel alone: README.md."""
