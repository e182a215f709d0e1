"""The bench suite, of which this version has nothing yet."""
