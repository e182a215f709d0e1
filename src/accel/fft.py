"""`accel.fft`: discrete Fourier transforms, with the names of the Python array API standard's extension."""

from .ops.composed.fourier import fft, fftn, hfft, ifft, ifftn, ihfft, irfft, irfftn, rfft, rfftn
from .ops.frequency import fftfreq, fftshift, ifftshift, rfftfreq

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip
