"""Read-only views of the books: totals, histories, registers, statements, and the independent integrity check."""
