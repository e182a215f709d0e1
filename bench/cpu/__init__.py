"""The CPU backend against its bars: what `accel bench cpu` prints."""
