"""What ops do with complex numbers: each rule is a function of real and imaginary parts, of accel's own real ops."""
