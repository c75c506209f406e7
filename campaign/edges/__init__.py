"""The outside world: PostgreSQL, Stripe, Redis, mail, PDF. Plain values in and out; no rule of ours lives here."""
