"""Staff refund a gift on its page: they see first what it does to match, receipt and other donors, and what they send twice is done once."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.matching.holds import match_of
from campaign.payments.refunds import RefundRequest
from campaign.payments.reversals import Reversal
from campaign.reporting.integrity import checker
from campaign.staff.audit import AuditEntry
from tests.conftest import Stripe
from tests.factories import issue_receipt
from tests.stripe import donate
from tests.web import open_page, signed_in, submit

KEY = re.compile(r'name="key" value="(refund_[0-9a-f]+)"')


@pytest.fixture
def manager(app: Flask) -> FlaskClient:
    return signed_in(app, "manager")


def path(donation: Donation) -> str:
    return f"/staff/donations/{donation.public_id}/refunds"


def send(client: FlaskClient, donation: Donation, page: TestResponse | None = None, /, **changed: str) -> TestResponse:
    """Send the form of this page, or of a new one."""
    page = page or open_page(client, path(donation))
    (key, *_), fields = KEY.findall(page.text), {"amount": "10000", "reason": "paid twice by mistake"}
    return submit(client, page, path(donation), key=key, **{**fields, **changed})


def stored() -> tuple[int, ...]:
    """How many rows there are of what a refund writes."""
    return tuple(
        db.session.scalar(select(func.count()).select_from(table)) or 0 for table in (RefundRequest, Reversal, LedgerEntry, AuditEntry)
    )


def test_a_refund_shows_what_it_does_before_and_then_does_just_that(app: Flask, stripe: Stripe, manager: FlaskClient) -> None:
    first, _, third = (
        donate(app, stripe, expected_match="0", amount=amount, email=f"refund{amount}@example.org")
        for amount in ("25000", "20000", "10000")
    )
    receipt = issue_receipt(first)
    db.session.commit()
    assert receipt and match_of(third.id).matched_cents == 5_000_00
    before = stored()
    preview = send(manager, first)
    assert preview.status_code == 200
    for words in (
        "What refunding $10,000.00 does",
        "The donor gets $10,000.00 back",
        "The match of this gift falls by $10,000.00, to $15,000.00.",
        "$5,000.00 of it goes at once to 1 gift that was not matched in full",
        "$5,000.00 of it goes back to the fund, for other gifts.",
        f"Receipt {receipt.serial} is cancelled and replaced by one for $15,000.00.",
        "an information return is due by",
        "paid twice by mistake",
    ):
        assert words in preview.text
    assert stored() == before, "nothing was done yet"
    assert send(manager, first, preview, confirmed="yes").status_code == 303
    assert (match_of(first.id).matched_cents, match_of(third.id).matched_cents) == (15_000_00, 10_000_00)
    page = open_page(manager, f"/staff/donations/{first.public_id}").text
    assert "member@example.org: paid twice by mistake" in page
    assert checker.findings(db.engine) == []


def test_the_same_form_sent_twice_refunds_once(app: Flask, stripe: Stripe, manager: FlaskClient) -> None:
    """The control is a new form for the same amount: another refund."""
    donation = donate(app, stripe, amount="100")
    preview = send(manager, donation, amount="20")
    for _ in range(2):
        assert send(manager, donation, preview, amount="20", confirmed="yes").status_code == 303
    assert db.session.scalars(select(RefundRequest.cents)).all() == [20_00]
    assert send(manager, donation, amount="20", confirmed="yes").status_code == 303
    assert db.session.scalars(select(RefundRequest.cents)).all() == [20_00, 20_00]
    db.session.refresh(donation)
    assert donation.net_cents == 60_00


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"amount": "ten"}, "Please write an amount"),
        ({"amount": "100.01"}, "$100 at most"),
        ({"reason": " "}, "The reason is missing."),
        ({"amount": "80", "confirmed": "yes"}, "Only $70.00 is left of what was paid."),
        ({"amount": "80"}, "Only $70.00 is left of what was paid."),
    ],
)
def test_what_is_refused_says_why_and_nothing_typed_is_lost(
    app: Flask, stripe: Stripe, manager: FlaskClient, changed: dict[str, str], sentence: str
) -> None:
    donation = donate(app, stripe, amount="100")
    assert send(manager, donation, amount="30", confirmed="yes").status_code == 303
    before = stored()
    refused = send(manager, donation, None, **{"amount": "80", **changed})
    assert refused.status_code == 422
    assert sentence in refused.text
    assert f'value="{changed.get("amount", "80")}"' in refused.text
    assert ('value="paid twice by mistake"' in refused.text) == ("reason" not in changed)
    assert stored() == before


def test_a_gift_without_receipt_or_match_says_so_in_french_and_clerks_have_no_button(
    app: Flask, stripe: Stripe, manager: FlaskClient
) -> None:
    donate(app, stripe, expected_match="0", amount="25000", email="all1@example.org")
    donate(app, stripe, expected_match="0", amount="25000", email="all2@example.org")
    unmatched = donate(app, stripe, expected_match="0", amount="40", email="late@example.org")
    page = send(manager, unmatched, open_page(manager, f"{path(unmatched)}?lang=fr"), amount="40,00").text
    assert "Le jumelage ne change pas." in page
    assert "Aucun reçu n’a été délivré pour ce don; aucun n’est donc annulé." in page
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    assert path(unmatched) not in open_page(clerk, f"/staff/donations/{unmatched.public_id}").text
    assert open_page(clerk, path(unmatched)).status_code == 403


def test_a_form_that_comes_back_with_another_amount_is_refused(app: Flask, stripe: Stripe, manager: FlaskClient) -> None:
    """The browser’s Back leads to the form of the refund that was confirmed."""
    donation = donate(app, stripe, amount="100")
    preview = send(manager, donation, amount="20")
    assert send(manager, donation, preview, amount="20", confirmed="yes").status_code == 303
    again = send(manager, donation, preview, amount="30", confirmed="yes")
    assert again.status_code == 422
    assert "This form was sent before, and $20.00 were refunded." in again.text
    assert db.session.scalars(select(RefundRequest.cents)).all() == [20_00]
    assert send(manager, donation, again, amount="30", confirmed="yes").status_code == 303, "the page has a new form"
