"""The CPU backend against its aims and guards: what `accel bench cpu` prints."""
