"""What is measured: cases, the suites that list them, and the operands that they get."""
