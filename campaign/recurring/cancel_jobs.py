"""Cancels at Stripe the recurring donations that a dispute ended."""

from contextlib import suppress

from campaign.edges.db import db
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.payments import disputes
from campaign.recurring import recurring_actions, recurring_gifts


def cancel_requested() -> int:
    """Cancel those that are to be cancelled; returns how many. Raises StripeUnavailable, and StripeRefused after the others were tried."""
    for donation, dispute in disputes.list_against_agreements():  # Of months that were in quarantine when the dispute was reported, too.
        recurring_gifts.request_cancellation(donation, dispute=dispute)
    db.session.commit()
    gifts, refused = recurring_gifts.list_to_cancel(), None
    db.session.commit()
    for gift in gifts:
        try:
            recurring_actions.cancel(gift)
        except StripeUnavailable:
            raise
        except StripeRefused as error:  # It may have ended at Stripe meanwhile.
            db.session.rollback()
            refused = refused or error
            with suppress(StripeRefused):
                recurring_actions.update_from_stripe(gift)
    if refused and recurring_gifts.list_to_cancel():
        raise refused
    db.session.rollback()
    return len(gifts)
