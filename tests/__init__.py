"""Tests with real parts: PostgreSQL, Valkey, SMTP, a browser; the only stand-in is Stripe's, over real HTTP with signed events."""
