"""What Stripe says of a payment and what follows: checkout, settlement, reversals, refunds, quarantine."""
