"""Matching funds: their terms, holds, the match of each donation, and rematching of money that is freed."""
