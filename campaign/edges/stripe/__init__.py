"""Stripe’s API: one client, and its payments, balance and subscriptions as plain values."""
