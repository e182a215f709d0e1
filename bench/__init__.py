"""The bench suite: `accel bench`."""
