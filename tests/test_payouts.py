"""Fees and payouts: the books agree with Stripe's balance to the cent, and each payout is tied to the transactions that it pays out."""

import contextlib
import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.devstack.sandbox import aftermath
from campaign.devstack.sandbox import payouts as at_stripe
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.balance import StripeBalance, StripePayout
from campaign.edges.stripe.client import StripeRefused
from campaign.ledger.entries import LedgerEntry
from campaign.reporting import stripe_clearing
from campaign.reporting.integrity import checker
from campaign.rules.money import format_money
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import balance_jobs, balance_transactions, payouts, reconcile_jobs
from campaign.stripe_sync.balance_jobs import sync_balance
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.payouts import Payout
from campaign.web.staff import settlement
from tests.conftest import Stripe
from tests.factories import account_balance, another_campaign, balance_transaction_of, paid, pay, post_stripe_fee, start_donation
from tests.stripe import charge_of, control, handle, paid_at_stripe
from tests.web import signed_in


def test_the_fee_comes_from_stripes_balance_transactions_and_is_posted_once(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    sync_balance()
    assert sync_balance() == 0, "nothing is new"
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).fee_cents == 3_20
    (entry,) = db.session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "fee"))
    assert (entry.reference, entry.donation_id) == (f"fee:{donation.public_id}", donation.id)
    assert account_balance(campaign) == 96_80
    assert checker.findings(db.engine) == []


def test_a_fee_received_before_its_payment_is_posted_after_it(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    assert post_stripe_fee(donation, 3_20) == 0
    pay(donation)
    assert balance_transactions.post_fees(limit=10) == 1
    db.session.commit()
    assert checker.findings(db.engine) == []


def test_dispute_fees_and_their_reversals_are_posted(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    post_stripe_fee(donation, 3_20)
    assert post_stripe_fee(donation, 15_00, type="adjustment", category="dispute", cents=0) == 1
    assert post_stripe_fee(donation, -15_00, type="adjustment", category="dispute_reversal", cents=0) == 1
    db.session.commit()
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).fee_cents == 3_20
    assert checker.findings(db.engine) == []


def test_a_payout_empties_the_account_and_is_tied_to_its_donations_refunds_and_fees(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    first, second = paid_at_stripe(campaign, 100_00), paid_at_stripe(campaign, 50_00, covered_fee_cents=1_83)
    aftermath.create_refund(stripe.account, charge_of(stripe, first), 40_00, {})
    schedule_jobs.poll_stripe()
    expected = 100_00 - 3_20 + 51_83 - 1_80 - 40_00
    assert account_balance(campaign) == expected
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    assert payout["amount"] == expected
    schedule_jobs.poll_stripe()
    assert (account_balance(campaign), account_balance(campaign, "bank")) == (0, expected)
    transactions = db.session.execute(
        select(BalanceTransaction.type, BalanceTransaction.payment_intent, BalanceTransaction.net_cents).where(
            BalanceTransaction.payout == payout["id"]
        )
    ).all()
    assert {tuple(transaction) for transaction in transactions} == {
        ("charge", first.payment_intent, 96_80),
        ("charge", second.payment_intent, 50_03),
        ("refund", first.payment_intent, -40_00),
        ("payout", None, -expected),
    }
    assert checker.findings(db.engine) == []


def test_each_campaign_has_its_share_of_a_payout_and_unattributed_money_is_in_no_books(
    app: Flask, campaign: Campaign, stripe: Stripe
) -> None:
    other = another_campaign(like=campaign)
    paid_at_stripe(campaign, 100_00)
    paid_at_stripe(other, 20_00)
    services().stripe_payments._client.v1.payment_intents.create(
        {"amount": 77_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    sync_balance()
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    sync_balance()
    shares = account_balance(campaign, "bank"), account_balance(other, "bank")
    assert shares == (96_80, 19_12)
    assert payout["amount"] - sum(shares) == 77_00 - 2_53
    assert (account_balance(campaign), account_balance(other)) == (0, 0)
    assert checker.findings(db.engine) == []


def test_a_failed_payout_is_reversed_and_paid_out_with_the_next(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    other = another_campaign(like=campaign)
    paid_at_stripe(campaign, 100_00)
    paid_at_stripe(other, 20_00)
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    sync_balance()
    assert account_balance(campaign) == 0
    at_stripe.set_payout_status(stripe.account, payout, "failed")
    schedule_jobs.poll_stripe()
    assert (account_balance(campaign), account_balance(other)) == (96_80, 19_12)
    assert db.session.scalars(select(Payout.status).where(Payout.stripe_id == payout["id"])).one() == "failed"
    paid_at_stripe(other, 10_00)
    second_payout = at_stripe.create_payout(stripe.account, include_pending=True)
    sync_balance()
    assert (account_balance(campaign), account_balance(other)) == (0, 0)
    assert account_balance(campaign, "bank") + account_balance(other, "bank") == second_payout["amount"]
    assert checker.findings(db.engine) == []


def test_a_payout_that_is_canceled_is_known_and_its_money_stays_in_the_books(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    payout = control(stripe, "payouts", method="standard", amount=50_00)
    schedule_jobs.poll_stripe()
    control(stripe, f"payouts/{payout['id']}", status="canceled")
    schedule_jobs.poll_stripe()
    assert db.session.scalars(select(Payout.status)).all() == ["canceled"]
    assert account_balance(campaign) == 96_80
    assert stripe_clearing.clearing_of(campaign).untied_payouts_cents == 0
    assert checker.findings(db.engine) == []
    assert "stopped" in signed_in(app, "viewer").get("/staff/stripe").text


def test_a_payment_received_after_its_payout_still_gets_its_share(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    intent = services().stripe_payments._client.v1.payment_intents.create(
        {"amount": 100_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    at_stripe.create_payout(stripe.account, include_pending=True)
    sync_balance()
    assert account_balance(campaign, "bank") == 0
    pay(donation, payment_intent=intent.id)
    db.session.commit()
    sync_balance()
    assert (account_balance(campaign), account_balance(campaign, "bank")) == (0, 96_80)
    assert checker.findings(db.engine) == []


def test_a_payout_is_tied_only_once_stripe_has_reconciled_it(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    stripe.store.put({**payout, "reconciliation_status": "in_progress"})
    sync_balance()
    assert account_balance(campaign) == 96_80
    assert payouts.list_untied(limit=10) == [payout["id"]]
    stripe.store.put(payout)
    sync_balance()
    assert account_balance(campaign) == 0
    assert payouts.list_untied(limit=10) == []


def test_stored_balance_transactions_cannot_be_changed_or_deleted(app: Flask, campaign: Campaign) -> None:
    post_stripe_fee(paid(campaign, 100_00), 3_20)
    db.session.commit()
    for change in (
        "UPDATE balance_transaction SET cents = cents + 1, net_cents = net_cents + 1",
        "UPDATE balance_transaction SET posted_at = now() - interval '1 s'",
        "DELETE FROM balance_transaction",
    ):
        with pytest.raises(DatabaseError):
            db.session.execute(text(change))
        db.session.rollback()


def test_a_payout_event_updates_the_status_of_the_payout(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    at_stripe.set_payout_status(stripe.account, payout, "paid")
    (paid_event,) = [sent for sent in stripe.store.newest("event", limit=3) if sent["type"] == "payout.paid"]
    handle(paid_event)
    recorded = db.session.scalars(select(Payout).where(Payout.stripe_id == payout["id"])).one()
    assert (recorded.status, recorded.cents) == ("paid", 96_80)


def skip_two_hours() -> None:
    """Advance the cursor two hours beyond everything in the books."""
    db.session.execute(text("UPDATE stripe_cursor SET read_until = now() + interval '2 hours' WHERE list = 'balance'"))
    db.session.commit()


def test_an_hour_later_every_transaction_is_in_the_books_even_with_an_open_dispute(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    first, second, third = (paid_at_stripe(campaign, 100_00) for _ in range(3))
    aftermath.create_refund(stripe.account, charge_of(stripe, first), 40_00, {})
    lost = aftermath.create_dispute(stripe.account, charge_of(stripe, second))
    aftermath.create_dispute(stripe.account, charge_of(stripe, third))
    aftermath.set_dispute_status(stripe.account, lost, "lost")
    schedule_jobs.poll_stripe()
    skip_two_hours()
    assert checker.findings(db.engine) == []
    assert account_balance(campaign) == 300_00 - 3 * 3_20 - 40_00 - 100_00 - 2 * 15_00


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": "adjustment", "category": "other", "cents": -1_00}, "moved 9900 cents for donation"),
        ({"type": "adjustment", "category": "other", "cents": 0, "fee_cents": 7}, "and charged 327"),
    ],
)
def test_control_a_transaction_missing_from_the_books_is_reported_and_pauses_nothing(
    app: Flask, campaign: Campaign, stripe: Stripe, change: dict[str, Any], expected: str
) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    sync_balance()
    balance_transactions.store_transactions([balance_transaction_of(donation, payment_intent=donation.payment_intent, **change)])
    db.session.execute(text("UPDATE balance_transaction SET posted_at = now() WHERE posted_at IS NULL"))
    skip_two_hours()
    (found,) = checker.findings(db.engine)
    assert expected in found
    assert found.startswith(checker.NOT_ABOUT_MATCHING)


def test_a_paid_donation_without_a_balance_transaction_is_reported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    sync_balance()
    skip_two_hours()
    assert checker.findings(db.engine) == []
    db.session.execute(text("UPDATE donation SET payment_intent = 'pi_of_another'"))
    db.session.commit()
    assert f"I11: Stripe has no balance transaction of pi_of_another, which is said to have paid donation {donation.public_id}." in (
        checker.findings(db.engine)
    )


@pytest.mark.owner
def test_control_a_payout_that_differs_from_its_transactions_or_the_books_is_reported(
    app: Flask, campaign: Campaign, stripe: Stripe
) -> None:
    paid_at_stripe(campaign, 100_00)
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    sync_balance()
    skip_two_hours()
    assert checker.findings(db.engine) == []
    db.session.execute(text("UPDATE payout SET cents = cents + 5"))
    db.session.execute(text("ALTER TABLE balance_transaction DISABLE TRIGGER USER"))
    db.session.execute(
        text("UPDATE balance_transaction SET cents = cents + 7, net_cents = net_cents + 7 WHERE type = 'charge' AND payout IS NOT NULL")
    )
    db.session.execute(text("ALTER TABLE balance_transaction ENABLE TRIGGER USER"))
    db.session.commit()
    found = checker.findings(db.engine)
    assert f"I11: Stripe paid out 9685 cents with {payout['id']}, but its transactions sum to 9687." in found
    assert any("but its books say 9680" in finding for finding in found)


@pytest.mark.parametrize(("reconciliation_status", "findings"), [("not_applicable", 0), ("in_progress", 1)])
def test_an_automatic_payout_that_stays_untied_is_a_finding_and_a_manual_one_is_shown_to_staff(
    app: Flask, campaign: Campaign, stripe: Stripe, reconciliation_status: str, findings: int
) -> None:
    paid_at_stripe(campaign, 100_00)
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    is_automatic = reconciliation_status != "not_applicable"
    stripe.store.put({**payout, "automatic": is_automatic, "reconciliation_status": reconciliation_status})
    sync_balance()
    skip_two_hours()
    assert checker.findings(db.engine) == []
    db.session.execute(text("UPDATE stripe_cursor SET read_until = now() + interval '4 days' WHERE list = 'balance'"))
    db.session.commit()
    found = checker.findings(db.engine)
    assert [f"has not listed the transactions of payout {payout['id']} (in_progress)" in sentence for sentence in found] == [
        True
    ] * findings
    page = signed_in(app, "viewer").get("/staff/stripe").text
    assert ("made by hand" in page, "Paid out by hand" in page) == (not is_automatic, not is_automatic)
    assert stripe_clearing.clearing_of(campaign).untied_payouts_cents == (0 if is_automatic else -96_80)


def test_payouts_that_cannot_be_tied_never_keep_others_from_being_tied(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balance_jobs, "PAYOUTS_AT_A_TIME", 2)
    for _ in range(3):
        paid_at_stripe(campaign, 10_00)
        manual = at_stripe.create_payout(stripe.account, include_pending=True)
        stripe.store.put({**manual, "automatic": False, "reconciliation_status": "not_applicable"})
    paid_at_stripe(campaign, 10_00)
    unknown = at_stripe.create_payout(stripe.account, include_pending=True)
    get_payout, fetched = StripeBalance.get_payout, list[str]()

    def refuse_one(client: StripeBalance, payout_id: str) -> StripePayout:
        fetched.append(payout_id)
        if payout_id == unknown["id"]:
            raise StripeRefused("no such payout")
        return get_payout(client, payout_id)

    monkeypatch.setattr(StripeBalance, "get_payout", refuse_one)
    paid_at_stripe(campaign, 100_00)
    automatic = at_stripe.create_payout(stripe.account, include_pending=True)
    for _ in range(3):
        with contextlib.suppress(StripeRefused):
            sync_balance()
    assert len(set(fetched[:5])) == 5, "each waits its turn, also one that Stripe does not show us"
    assert account_balance(campaign, "bank") == automatic["amount"]
    with pytest.raises(StripeRefused):
        sync_balance()


# Staff pages.


def test_the_balance_is_the_sum_of_its_parts(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    other = another_campaign(like=campaign)
    paid_at_stripe(campaign, 100_00)
    aftermath.create_dispute(stripe.account, charge_of(stripe, paid_at_stripe(campaign, 50_00)))
    paid_at_stripe(other, 20_00)
    services().stripe_payments._client.v1.payment_intents.create(
        {"amount": 77_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    schedule_jobs.poll_stripe()
    found = stripe_clearing.clearing_of(campaign)
    assert found == stripe_clearing.Clearing(
        this_campaign_cents=96_80 + 48_25 - 15_00,
        other_campaigns_cents=19_12,
        disputed_cents=-50_00,
        quarantined_cents=0,
        untied_payouts_cents=0,
        other_cents=74_47,
        rest_cents=0,
    )
    assert {"CAD": found.balance_cents} == services().stripe_balance.get_balance()
    at_stripe.create_payout(stripe.account, include_pending=True)
    sync_balance()
    after = stripe_clearing.clearing_of(campaign)
    assert (after.balance_cents, services().stripe_balance.get_balance()) == (0, {"CAD": 0})


@pytest.mark.parametrize("is_lost", [False, True])
def test_only_disputes_of_gifts_are_shown_as_disputed_money(app: Flask, campaign: Campaign, stripe: Stripe, is_lost: bool) -> None:
    """A shop's and a quarantined payment's disputes are in the sums of those."""
    strange = start_donation(campaign, 30_00)
    control(stripe, "shop", kind="payment", amount=20_00)
    of_shop = stripe.store.newest("charge", limit=1)[0]
    services().stripe_payments._client.v1.payment_intents.create(
        {
            "amount": 40_00,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": strange.public_id},
        }
    )
    of_quarantined = stripe.store.newest("charge", limit=1)[0]
    of_gift = charge_of(stripe, paid_at_stripe(campaign, 50_00))
    for charge in (of_shop, of_quarantined, of_gift):
        dispute = aftermath.create_dispute(stripe.account, charge)
        if is_lost:
            aftermath.set_dispute_status(stripe.account, dispute, "lost")
    schedule_jobs.poll_stripe()
    found = stripe_clearing.clearing_of(campaign)
    fee = 15_00
    assert (found.disputed_cents, found.quarantined_cents, found.other_cents) == (
        0 if is_lost else -50_00,
        -(40_00 * 29 // 1000 + 30) - fee,
        -(20_00 * 29 // 1000 + 30) - fee,
    )
    assert {"CAD": found.balance_cents} == services().stripe_balance.get_balance()
    page = signed_in(app, "viewer").get("/staff/stripe?lang=fr").text
    assert "Hors de ce service" in page
    assert 'href="/staff/quarantine">Paiements en quarantaine' in page


def test_staff_see_payouts_with_their_transactions(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(app, "viewer")
    assert "Stripe has paid nothing out yet." in client.get("/staff/stripe").text
    donation = paid_at_stripe(campaign, 100_00)
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    at_stripe.set_payout_status(stripe.account, payout, "failed")
    schedule_jobs.poll_stripe()
    page = client.get("/staff/stripe").text
    assert f'href="/staff/stripe/payouts/{payout["id"]}"' in page
    assert page.count('data-label="Stripe’s fees">$3.20') == 1 and 'data-label="Stripe’s fees">$0' in page, "what came back is in no sum"
    assert "came back" in page and "Stripe says: The bank account has been closed." in page
    assert re.search(r"<tfoot>.*3\.20%", client.get("/staff/money/months").text), (
        "of the year too, the fees of a month are shown as a part of what was paid"
    )
    transactions = client.get(f"/staff/stripe/payouts/{payout['id']}").text
    for shown in ("Payout of $96.80", "$100.00", "$3.20", f"/staff/donations/{donation.public_id}", "payment"):
        assert shown in transactions
    monkeypatch.setattr(settlement, "LINES_SHOWN", 1)
    for cents in (50_00, 60_00):
        paid_at_stripe(campaign, cents)
    longer = at_stripe.create_payout(stripe.account, include_pending=True)
    at_stripe.set_payout_status(stripe.account, longer, "paid")
    schedule_jobs.poll_stripe()
    assert f'data-label="Paid out">{format_money(longer["amount"], "en")}' in client.get("/staff/stripe").text.partition("<tfoot>")[2]
    path = f"/staff/stripe/payouts/{longer['id']}"
    parts = [client.get(path).text]
    while after := re.findall(r'after=(\d+)" rel="next"', parts[-1]):
        parts.append(client.get(f"{path}?after={after[0]}").text)
    assert len(parts) > 1 and not any("Together" in part for part in parts)
    assert [sum(f"{sum_}</td>" in part for part in parts) for sum_ in ("$50.00", "$60.00")] == [1, 1]
    assert client.get("/staff/stripe/payouts/po_nobody").status_code == 404


def test_staff_see_what_a_reconciliation_found_in_their_language(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    reconcile_jobs.reconcile(since=None, actor="the schedule")
    client = signed_in(app, "viewer")
    assert "1 différence entre nos livres et ceux de Stripe est ouverte." in client.get("/staff/?lang=fr").text
    page = client.get("/staff/stripe").text
    assert "1 différence est ouverte" in page
    assert "Cherchez-le dans le tableau de bord de Stripe" in page, "it says what to do about it"
    assert "Nos livres ont un paiement de 100,00\u00a0$" in page
