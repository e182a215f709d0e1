"""What it is measured on: the head of a result file, and the limits of the device."""
