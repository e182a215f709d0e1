"""The input: data sets that scikit-learn ships, read once, as NumPy arrays."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..errors import AccelError
from ..packages import remedy

EXTRA = "the demo reads data that scikit-learn ships"
HELD_OUT = 3
"""The last 1/HELD_OUT of the digits are held out; the data set is in its writers' order, so they are by other hands."""


@lru_cache(maxsize=1)
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images (1198, 64) and labels, held-out images (599, 64) and labels: float32, 0 to 16, and int64."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise AccelError(f"{EXTRA}: {remedy('demo')} ({error})") from None
    images, labels = load_digits(return_X_y=True)
    at = len(images) - len(images) // HELD_OUT
    images, labels = images.astype(np.float32), labels.astype(np.int64)
    return images[:at], labels[:at], images[at:], labels[at:]


@lru_cache(maxsize=1)
def description() -> bytes:
    """What the data set's writers say of the digits."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise AccelError(f"{EXTRA}: {remedy('demo')} ({error})") from None
    return load_digits().DESCR.encode()


@lru_cache(maxsize=2)
def photograph(name: str) -> np.ndarray:
    """The photograph ``china`` or ``flower`` as uint8, shape (427, 640, 3)."""
    try:
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    except ImportError as error:
        raise AccelError(f"{EXTRA}: {remedy('demo')} ({error})") from None


def load() -> None:
    """Reads all of it, so that no device's time includes reading. Raises AccelError where a package is missing."""
    digits()
    description()
    for name in ("china", "flower"):
        photograph(name)


def write_png(path: str, image: np.ndarray) -> None:
    """Writes a uint8 image of shape (height, width, 3)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise AccelError(f"{EXTRA}: {remedy('demo')} ({error})") from None
    Image.fromarray(image).save(path, format="PNG")
