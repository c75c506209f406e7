"""The charity and its campaigns."""
