"""Tests against real PostgreSQL, Valkey, SMTP and browsers. Only Stripe is simulated, by a sandbox over HTTP with signed events."""
