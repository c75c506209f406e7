"""The ledger: entries that are never changed, the closed table of moves, and the SQL of functions and triggers."""
