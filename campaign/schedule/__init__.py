"""Scheduled jobs, which any worker can run."""
