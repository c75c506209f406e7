"""Pure functions on plain values: money, allocation of the match, receipt requirements, local time. No database, clock or prose."""
