"""Fees and payouts: the books hold what Stripe's balance holds, to the cent, and each payout is tied to what it paid out."""

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import balance_lines, payouts
from campaign.giving.balance_lines import BalanceLine
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.ledger import LedgerEntry
from campaign.giving.payouts import Payout
from campaign.reporting import books, clearing
from campaign.sandbox import aftermath
from campaign.sandbox import payouts as at_stripe
from campaign.work import reconciling, sweeps
from campaign.work.balance import read_balance
from tests.conftest import Stripe
from tests.factories import another_campaign, begun, keep_fee, move_of, paid, pay
from tests.test_events import handle
from tests.test_web import signed_in


def paid_at_stripe(campaign: Campaign, cents: int, **changed: object) -> Donation:
    """A gift whose payment is at the account, with its fee."""
    donation = begun(campaign, cents, **changed)
    made = outside().stripe._client.v1.payment_intents.create(
        {
            "amount": donation.charged_cents,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": donation.public_id},
        }
    )
    pay(donation, payment_intent=made.id)
    db.session.commit()
    return donation


def charge_of(stripe: Stripe, donation: Donation) -> dict:
    return stripe.store.get(stripe.store.get(donation.payment_intent)["latest_charge"])


def account_of(campaign: Campaign, account: str = "stripe") -> int:
    """What the books of a campaign say of an account of the charity's own."""
    e = LedgerEntry
    rows = db.session.execute(select(e.from_account, e.to_account, e.cents).where(e.campaign_id == campaign.id, e.fund_id.is_(None)))
    return sum(cents * ((target == account) - (source == account)) for source, target, cents in rows)


def test_the_fee_is_read_from_stripes_own_lines_and_posted_once(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    read_balance()
    assert read_balance() == 0, "nothing is new"
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).fee_cents == 3_20
    (entry,) = db.session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "fee"))
    assert (entry.reference, entry.donation_id) == (f"fee:{donation.public_id}", donation.id)
    assert account_of(campaign) == 96_80
    assert books.findings(db.engine) == []


def test_a_fee_that_is_booked_before_its_payment_is_heard_of_is_posted_after_it(app: Flask, campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    assert keep_fee(donation, 3_20) == 0
    pay(donation)
    assert balance_lines.post_fees(limit=10) == 1
    db.session.commit()
    assert books.findings(db.engine) == []


def test_fees_of_disputes_count_and_fees_that_come_back_too(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    keep_fee(donation, 3_20)
    assert keep_fee(donation, 15_00, type="adjustment", category="dispute", cents=0) == 1
    assert keep_fee(donation, -15_00, type="adjustment", category="dispute_reversal", cents=0) == 1
    db.session.commit()
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).fee_cents == 3_20
    assert books.findings(db.engine) == []


def test_a_payout_empties_the_account_and_is_tied_to_its_donations_refunds_and_fees(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    first, second = paid_at_stripe(campaign, 100_00), paid_at_stripe(campaign, 50_00, covered_fee_cents=1_83)
    aftermath.refund(stripe.account, charge_of(stripe, first), 40_00, {})
    sweeps.sweep_outside()
    expected = 100_00 - 3_20 + 51_83 - 1_80 - 40_00
    assert account_of(campaign) == expected
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    assert made["amount"] == expected
    sweeps.sweep_outside()
    assert (account_of(campaign), account_of(campaign, "bank")) == (0, expected)
    lines = db.session.execute(
        select(BalanceLine.type, BalanceLine.payment_intent, BalanceLine.net_cents).where(BalanceLine.payout == made["id"])
    ).all()
    assert {tuple(line) for line in lines} == {
        ("charge", first.payment_intent, 96_80),
        ("charge", second.payment_intent, 50_03),
        ("refund", first.payment_intent, -40_00),
        ("payout", None, -expected),
    }
    assert books.findings(db.engine) == []


def test_each_campaign_has_its_share_of_a_payout_and_money_of_nobody_is_in_no_books(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    other = another_campaign(like=campaign)
    paid_at_stripe(campaign, 100_00)
    paid_at_stripe(other, 20_00)
    outside().stripe._client.v1.payment_intents.create(
        {"amount": 77_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    read_balance()
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    read_balance()
    shares = account_of(campaign, "bank"), account_of(other, "bank")
    assert shares == (96_80, 19_12)
    assert made["amount"] - sum(shares) == 77_00 - 2_53
    assert (account_of(campaign), account_of(other)) == (0, 0)
    assert books.findings(db.engine) == []


def test_a_payout_that_comes_back_is_reversed_and_goes_out_again_with_the_next(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    other = another_campaign(like=campaign)
    paid_at_stripe(campaign, 100_00)
    paid_at_stripe(other, 20_00)
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    read_balance()
    assert account_of(campaign) == 0
    at_stripe.decide_payout(stripe.account, made, "failed")
    sweeps.sweep_outside()
    assert (account_of(campaign), account_of(other)) == (96_80, 19_12)
    assert db.session.scalars(select(Payout.status).where(Payout.stripe_id == made["id"])).one() == "failed"
    paid_at_stripe(other, 10_00)
    again = at_stripe.pay_out(stripe.account, all_of_it=True)
    read_balance()
    assert (account_of(campaign), account_of(other)) == (0, 0)
    assert account_of(campaign, "bank") + account_of(other, "bank") == again["amount"]
    assert books.findings(db.engine) == []


def test_a_payment_heard_of_after_its_payout_gets_its_share_all_the_same(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    made = outside().stripe._client.v1.payment_intents.create(
        {"amount": 100_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    at_stripe.pay_out(stripe.account, all_of_it=True)
    read_balance()
    assert account_of(campaign, "bank") == 0
    pay(donation, payment_intent=made.id)
    db.session.commit()
    read_balance()
    assert (account_of(campaign), account_of(campaign, "bank")) == (0, 96_80)
    assert books.findings(db.engine) == []


def test_the_lines_of_a_payout_that_stripe_is_still_sorting_are_waited_for(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    stripe.store.put({**made, "reconciliation_status": "in_progress"})
    read_balance()
    assert account_of(campaign) == 96_80
    assert payouts.to_be_tied() == [made["id"]]
    stripe.store.put(made)
    read_balance()
    assert account_of(campaign) == 0
    assert payouts.to_be_tied() == []


def test_what_stripe_has_booked_is_never_changed_or_deleted(app: Flask, campaign: Campaign) -> None:
    keep_fee(paid(campaign, 100_00), 3_20)
    db.session.commit()
    for change in (
        "UPDATE balance_line SET cents = cents + 1, net_cents = net_cents + 1",
        "UPDATE balance_line SET posted_at = now() - interval '1 s'",
        "DELETE FROM balance_line",
    ):
        with pytest.raises(DatabaseError):
            db.session.execute(text(change))
        db.session.rollback()


def test_an_event_of_a_payout_says_how_it_stands(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    at_stripe.decide_payout(stripe.account, made, "paid")
    (told,) = [one for one in stripe.store.newest("event", limit=3) if one["type"] == "payout.paid"]
    handle(told)
    payout = db.session.scalars(select(Payout).where(Payout.stripe_id == made["id"])).one()
    assert (payout.status, payout.cents) == ("paid", 96_80)


def an_hour_later() -> None:
    """The list was read beyond all that is in the books."""
    db.session.execute(text("UPDATE stripe_watermark SET seen_until = now() + interval '2 hours' WHERE list = 'balance'"))
    db.session.commit()


def test_an_hour_later_every_line_is_in_the_books_with_a_dispute_open_too(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    first, second, third = (paid_at_stripe(campaign, 100_00) for _ in range(3))
    aftermath.refund(stripe.account, charge_of(stripe, first), 40_00, {})
    lost = aftermath.dispute(stripe.account, charge_of(stripe, second))
    aftermath.dispute(stripe.account, charge_of(stripe, third))
    aftermath.decide_dispute(stripe.account, lost, "lost")
    sweeps.sweep_outside()
    an_hour_later()
    assert books.findings(db.engine) == []
    assert account_of(campaign) == 300_00 - 3 * 3_20 - 40_00 - 100_00 - 2 * 15_00


@pytest.mark.parametrize(
    ("move", "sentence"),
    [
        ({"type": "adjustment", "category": "other", "cents": -1_00}, "moved 9900 cents for donation"),
        ({"type": "adjustment", "category": "other", "cents": 0, "fee_cents": 7}, "and kept 327"),
    ],
)
def test_control_a_line_that_is_not_in_the_books_is_named_and_pauses_nothing(
    app: Flask, campaign: Campaign, stripe: Stripe, move: dict, sentence: str
) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    read_balance()
    balance_lines.keep([move_of(donation, payment_intent=donation.payment_intent, **move)])
    db.session.execute(text("UPDATE balance_line SET posted_at = now() WHERE posted_at IS NULL"))
    an_hour_later()
    (found,) = books.findings(db.engine)
    assert sentence in found
    assert found.startswith(books.NOT_OF_THE_MATCH)


def test_control_a_payout_that_is_not_its_lines_or_not_in_the_books_is_named(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    read_balance()
    an_hour_later()
    assert books.findings(db.engine) == []
    db.session.execute(text("UPDATE payout SET cents = cents + 5"))
    db.session.execute(text("ALTER TABLE balance_line DISABLE TRIGGER USER"))
    db.session.execute(
        text("UPDATE balance_line SET cents = cents + 7, net_cents = net_cents + 7 WHERE type = 'charge' AND payout IS NOT NULL")
    )
    db.session.execute(text("ALTER TABLE balance_line ENABLE TRIGGER USER"))
    db.session.commit()
    found = books.findings(db.engine)
    assert f"I11: Stripe paid out 9685 cents with {made['id']}, but its lines come to 9687." in found
    assert any("but its books say 9680" in one for one in found)


def test_a_payout_made_by_hand_is_named_after_three_days(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    stripe.store.put({**made, "automatic": False, "reconciliation_status": "not_applicable"})
    read_balance()
    an_hour_later()
    assert books.findings(db.engine) == []
    db.session.execute(text("UPDATE stripe_watermark SET seen_until = now() + interval '4 days' WHERE list = 'balance'"))
    db.session.commit()
    (found,) = books.findings(db.engine)
    assert f"has not told what payout {made['id']} paid out (not_applicable)" in found


# What staff see.


def test_the_balance_is_the_sum_of_what_it_is_made_of(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    other = another_campaign(like=campaign)
    paid_at_stripe(campaign, 100_00)
    aftermath.dispute(stripe.account, charge_of(stripe, paid_at_stripe(campaign, 50_00)))
    paid_at_stripe(other, 20_00)
    outside().stripe._client.v1.payment_intents.create(
        {"amount": 77_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    sweeps.sweep_outside()
    found = clearing.clearing_of(campaign)
    assert found == clearing.Clearing(of_this=96_80 + 48_25 - 15_00, of_others=19_12, in_dispute=-50_00, of_nobody=74_47)
    assert {"CAD": found.balance} == outside().stripe_books.balance()
    at_stripe.pay_out(stripe.account, all_of_it=True)
    read_balance()
    after = clearing.clearing_of(campaign)
    assert (after.balance, outside().stripe_books.balance()) == (0, {"CAD": 0})


def test_staff_see_payouts_with_what_they_paid_out(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    client = signed_in(app, "viewer")
    assert "Stripe has paid nothing out yet." in client.get("/staff/stripe").text
    donation = paid_at_stripe(campaign, 100_00)
    made = at_stripe.pay_out(stripe.account, all_of_it=True)
    at_stripe.decide_payout(stripe.account, made, "failed")
    sweeps.sweep_outside()
    page = client.get("/staff/stripe").text
    assert f'href="/staff/stripe/payouts/{made["id"]}"' in page
    assert "came back: The bank account has been closed." in page
    lines = client.get(f"/staff/stripe/payouts/{made['id']}").text
    for shown in ("Payout of $96.80", "$100.00", "$3.20", f"/staff/donations/{donation.public_id}", "payment"):
        assert shown in lines
    assert client.get("/staff/stripe/payouts/po_nobody").status_code == 404


def test_staff_see_what_a_reconciliation_found_in_their_language(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    reconciling.reconcile(since=None, actor="the schedule")
    client = signed_in(app, "viewer")
    assert "1 différence entre nos livres et ceux de Stripe est ouverte." in client.get("/staff/?lang=fr").text
    page = client.get("/staff/stripe").text
    assert "1 différence est ouverte" in page
    assert "Nos livres ont un paiement de 100,00\u00a0$" in page
