"""The code that runs on devices: functions of triton.language's built-ins only, loaded in two forms by accel.backends.triton_kernel."""
