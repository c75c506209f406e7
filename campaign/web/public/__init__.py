"""Pages for donors and visitors."""
