"""``python -m accel``: the same as the command ``accel``."""

from .cli import main

main()
