"""The same call of other libraries."""
