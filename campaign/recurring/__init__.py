"""Recurring donations: the subscription at Stripe, and one donation for each paid instalment."""
