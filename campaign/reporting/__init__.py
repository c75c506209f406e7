"""Reads only: totals, statements, and the independent check of the books."""
