"""The monthly amount that is suggested to somebody who gave once: a round sum that comes to about as much in a year, or somewhat more."""

# In cents, as people choose them.
ROUND = (5_00, 10_00, 15_00, 20_00, 25_00, 30_00, 40_00, 50_00, 75_00, 100_00, 150_00, 200_00, 250_00, 500_00, 1_000_00)
MONTHS = 12


def suggested_monthly_cents(gift_cents: int, *, minimum_cents: int, maximum_cents: int) -> int:
    """The least round amount with which twelve months come to the gift, within what the campaign takes; 0 when no round amount is."""
    possible = [cents for cents in ROUND if minimum_cents <= cents <= maximum_cents]
    return next((cents for cents in possible if cents * MONTHS >= gift_cents), possible[-1] if possible else 0)
