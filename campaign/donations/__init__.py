"""Donors and their donations."""
