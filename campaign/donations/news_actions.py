"""Consent to news, and its withdrawal: each commits once, with its audit row."""

from campaign.donations import news_agreements, news_withdrawals
from campaign.donations.donations import Donation
from campaign.donations.news_withdrawals import WithdrawnBy
from campaign.edges.db import db
from campaign.staff import audit
from campaign.texts.consent_words import consent_words

DONOR = "the donor"


def withdraw(donation: Donation, *, how: WithdrawnBy) -> bool:
    """Withdraw the donor's consent to news. Returns False when none is in force: a second click changes nothing."""
    is_withdrawn = news_withdrawals.record(donation, how=how, recorded_by=DONOR)
    if is_withdrawn:
        audit.record(DONOR, "withdrew consent to news", donation.public_id, how=how)
    db.session.commit()
    return is_withdrawn


def record_agreement(donation: Donation, *, language: str) -> bool:
    """Record that the donor agrees to news, in the words of the form in this language. Returns False when they have agreed already."""
    has_agreed = news_agreements.record(donation, language=language, words=consent_words(language))
    if has_agreed:
        audit.record(DONOR, "agreed to news on their page", donation.public_id)
    db.session.commit()
    return has_agreed
