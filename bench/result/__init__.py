"""What was found: the result file, and what its samples say."""
