"""The page of a gift says all that came with it, and where its money is."""

import re
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import update

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.stripe_sync import balance_transactions, payouts
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.payouts import Payout
from tests.factories import balance_transaction_of, paid
from tests.web import open_page, signed_in

FACTS = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>")


def test_what_came_with_a_gift_is_on_its_page_in_both_languages(app: Flask, campaign: Campaign) -> None:
    donation = paid(
        campaign,
        public_name="Famille Roy",
        tribute_kind="memory",
        tribute_name="Ève",
        message="Pour <Ève>",
        news_consent=True,
        language="fr",
    )
    plain = paid(campaign, anonymous=True, email="plain@example.org")
    db.session.commit()
    client = signed_in(app, "viewer")
    english = open_page(client, f"/staff/donations/{donation.public_id}?lang=en").text
    facts = dict(FACTS.findall(english))
    assert facts["Tribute"] == "In memory of Ève"
    assert (facts["In public"], facts["Language"], facts["Paid by"]) == ("Famille Roy", "French", "card or wallet")
    assert facts["News by email"].startswith("agreed on ")
    assert '<blockquote id="message" class="lines" lang="fr">Pour &lt;Ève&gt;</blockquote>' in english
    french = dict(FACTS.findall(open_page(client, f"/staff/donations/{plain.public_id}?lang=fr").text))
    assert (french["En public"], french["Dédicace"], french["Nouvelles par courriel"]) == ("anonyme", "aucune", "pas de consentement")


def test_the_payment_is_a_link_to_stripe_and_its_payout_is_named_once_it_is_known(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    client = signed_in(app, "viewer")
    page = client.get(f"/staff/donations/{donation.public_id}").text
    assert f'href="https://dashboard.stripe.com/test/payments/{donation.payment_intent}"' in page
    assert "Payout to the bank" not in page
    balance_transactions.store_transactions([balance_transaction_of(donation)])
    db.session.execute(update(BalanceTransaction).values(payout="po_1"))
    now = datetime.now(UTC)
    row = {"cents": 100_00, "currency": "CAD", "status": "paid", "reconciliation_status": "completed", "snapshot_number": 1}
    db.session.add(Payout(stripe_id="po_1", created_at=now, arrives_at=now, **row))
    db.session.commit()
    assert payouts.payout_of(donation.payment_intent or "")
    assert 'href="/staff/stripe/payouts/po_1"' in client.get(f"/staff/donations/{donation.public_id}").text
