"""Adapters to PostgreSQL, Stripe, Redis, SMTP and PDF libraries. Plain values in and out; no domain rules."""
