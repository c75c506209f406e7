"""Keeping the books equal to Stripe’s: the event inbox, polling, balance transactions, payouts, reconciliation."""
