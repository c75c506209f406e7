"""Funders, the access links to their reports, and their payments."""
