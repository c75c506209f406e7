"""The independent check of the books: its own SQL and sums, sharing no code with what it checks."""
