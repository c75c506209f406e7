"""How donors and funders get to know of what staff do: by email, or by post if there is no address."""

from flask_babel import gettext

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment, funder_of
from campaign.receipts import receipts
from campaign.receipts.receipts import Receipt


def describe_news(donation: Donation) -> str:
    """A sentence for staff about the news of a donation: that it is emailed, or where what is to be posted will be."""
    if donation.email:
        return str(gettext("The donor gets an email about it."))
    return str(gettext("The donor has no email address: what they need on paper comes to the list “To print and post”."))


def describe_news_to_funder(funder: Funder) -> str:
    """The same about the news of a payment of a funder. Nobody is reminded to post it."""
    if funder.email:
        return str(gettext("The funder gets an email about it."))
    return str(gettext("The funder has no email address: please write to them yourself."))


def describe_cancelled(receipt: Receipt) -> str:
    """That the receipt is cancelled, and how whoever has it gets to know."""
    line = receipts.lines_of(receipt)[0]
    news = (
        describe_news(db.session.get_one(Donation, line.donation_id))
        if line.donation_id
        else describe_news_to_funder(funder_of(db.session.get_one(FunderPayment, line.funder_payment_id)))
    )
    return " ".join((gettext("The receipt is cancelled."), news))
