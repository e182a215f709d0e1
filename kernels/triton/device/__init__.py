"""Code that runs on devices, of triton.language's built-ins only; accel.backends.triton_kernel loads it twice."""
