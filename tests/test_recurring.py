"""Recurring donations: each month is a donation of its own, with its match and receipt, until the donor cancels or the card fails."""

import re

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.devstack.sandbox import clock, faults, subscriptions
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.payments import refund_jobs
from campaign.recurring import recurring_gifts
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs, inbox, poll_checkout_jobs, poll_event_jobs, reconcile_jobs, reconciliations
from tests.conftest import Post, Stripe
from tests.mail import body_of as email_body
from tests.mail import make_due, text_of
from tests.stripe import DAY, advance_months, body_of, handle, real_now, sessions, start_recurring, state
from tests.web import csrf_of, grant_access, send


def count_undecided() -> int:
    """The number of quarantined payments without a decision, those of the last minutes included."""
    return int(db.session.execute(text("SELECT count(*) FROM quarantined_payment WHERE decision IS NULL")).scalar_one())


def recurring_gift_for(donation: Donation) -> RecurringGift:
    db.session.expire_all()
    recurring_gift = recurring_gifts.recurring_gift_of(donation)
    assert recurring_gift
    return recurring_gift


def set_card(stripe: Stripe, number: str) -> None:
    subscription = stripe.store.newest("subscription", limit=1)[0]
    subscriptions.change(stripe.account, subscription, sandbox_card=number)


def instalments(recurring_gift: RecurringGift) -> list[tuple[int, str, int]]:
    """Amount, status and match of each instalment, oldest first."""
    paid_instalments = recurring_gifts.instalments_of(recurring_gift)[::-1]
    return [(m.amount_cents, state(m), match_of(m.id).matched_cents) for m in paid_instalments]


def emails_since(post: Post, since: int) -> list[tuple[str, str]]:
    new = list(post.box.newest(len(list(post.box.newest(1000))) - since)) if len(list(post.box.newest(1000))) > since else []
    return [(str(message["Subject"]), email_body(message, "plain")) for _, _, message, _ in reversed(new)]


def test_the_first_instalment_is_held_paid_and_matched_as_any_donation(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe, cover_fee="y")
    session = sessions(stripe)[0]
    assert (session["mode"], session["metadata"], session["payment_intent"]) == ("subscription", {"donation": donation.public_id}, None)
    subscription = stripe.store.newest("subscription", limit=1)[0]
    assert subscription["metadata"] == {"donation": donation.public_id}
    assert match_of(donation.id).held_cents == 100_00
    schedule_jobs.poll_stripe()
    assert (state(donation), match_of(donation.id).matched_cents) == ("paid", 100_00)
    recurring_gift = recurring_gift_for(donation)
    assert (recurring_gift.subscription, recurring_gift.amount_cents, recurring_gift.covered_fee_cents) == (
        subscription["id"],
        100_00,
        donation.covered_fee_cents,
    )
    assert donation.payment_intent and count_undecided() == 0
    assert checker.findings(db.engine) == []


def test_a_year_with_a_failed_charge_is_twelve_donations_matched_while_the_pledge_lasts(
    app: Flask, stripe: Stripe, campaign: Campaign, fund: Fund, post: Post
) -> None:
    donation = start_recurring(app, stripe, amount="6000", expected_match="500000")
    schedule_jobs.poll_stripe()
    set_card(stripe, "4242424242424242")
    advance_months(stripe, 4)
    set_card(stripe, "4000000000000002")
    advance_months(stripe)
    assert recurring_gift_for(donation).status == "past_due"
    set_card(stripe, "4242424242424242")
    clock.set_ahead(clock.now() - real_now() + 4 * DAY)
    subscriptions.renew_due(stripe.account)
    advance_months(stripe, 6)
    paid_instalments = instalments(recurring_gift_for(donation))
    assert [cents for cents, _, _ in paid_instalments] == [6000_00] * 12
    assert {s for _, s, _ in paid_instalments} == {"paid"}
    assert [m for _, _, m in paid_instalments] == [6000_00] * 8 + [2000_00] + [0] * 3
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).donors == 1
    pending_receipts = db.session.execute(text("SELECT count(*) FROM outbox WHERE kind = 'receipt'")).scalar_one()
    assert pending_receipts == 12
    assert count_undecided() == 0
    assert checker.findings(db.engine) == []
    assert reconcile_jobs.reconcile(since=None, actor="test").ended_at
    assert checker.findings(db.engine) == []


def test_reordered_and_duplicated_events_end_in_the_same_books(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe)
    clock.set_ahead(65 * DAY)
    subscriptions.renew_due(stripe.account)
    everything = stripe.store.newest("event", limit=1000)
    for sent in [*everything, *everything[::-1], *everything[::2]]:
        inbox.store_events(inbox.parse_event(body_of({**sent, "id": f"{sent['id']}_{len(event_ids())}"})), source="webhook")
        db.session.commit()
        event_jobs.handle_events()
    assert instalments(recurring_gift_for(donation)) == [(100_00, "paid", 100_00)] * 3
    assert count_undecided() == 0
    assert inbox.count_dead() == 0
    assert checker.findings(db.engine) == []


def event_ids() -> list[str]:
    return list(db.session.execute(text("SELECT event_id FROM stripe_event")).scalars())


def test_without_webhooks_polling_finds_the_first_instalment(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe)
    poll_checkout_jobs.poll_checkout(donation)
    assert state(donation) == "paid"
    poll_event_jobs.poll_events()
    event_jobs.handle_events()
    assert instalments(recurring_gift_for(donation)) == [(100_00, "paid", 100_00)]
    assert checker.findings(db.engine) == []


def test_missed_instalments_are_imported_by_a_reconciliation(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe)
    clock.set_ahead(32 * DAY)
    subscriptions.renew_due(stripe.account)
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert {finding.state for finding in reconciliations.findings_of(run)} == {"repaired"}
    assert instalments(recurring_gift_for(donation)) == [(100_00, "paid", 100_00)] * 2
    assert count_undecided() == 0
    assert reconciliations.findings_of(reconcile_jobs.reconcile(since=None, actor="test")) == []
    assert checker.findings(db.engine) == []


def test_an_unpaid_checkout_releases_its_hold_and_starts_no_recurring_donation(app: Flask, stripe: Stripe, fund: Fund) -> None:
    assert send(app.test_client(), "en", frequency="monthly").status_code == 303
    donation = db.session.query(Donation).one()
    stripe.account.expire(sessions(stripe)[0])
    schedule_jobs.poll_stripe()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents, db.session.query(RecurringGift).count()) == ("expired", 0, 0)


def test_a_refund_of_one_instalment_changes_only_that_donation(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    advance_months(stripe)
    second = recurring_gifts.instalments_of(recurring_gift_for(donation))[0]
    refund_jobs.refund(second, 40_00, actor="test", reason="asked for")
    assert instalments(recurring_gift_for(donation)) == [(100_00, "paid", 100_00), (100_00, "partially_refunded", 60_00)]
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(
    ("language", "failed", "ended"),
    [
        ("en", "could not be charged to your card", "because your card could no longer be charged"),
        ("fr", "n’a pas pu être prélevé sur votre carte", "car votre carte ne pouvait plus servir au paiement"),
    ],
)
def test_a_failed_instalment_sends_one_email_and_so_does_the_end_of_the_recurring_donation(
    app: Flask, stripe: Stripe, fund: Fund, post: Post, language: str, failed: str, ended: str
) -> None:
    donation = start_recurring(app, stripe, language)
    schedule_jobs.poll_stripe()
    send_jobs.send_due()
    before = len(list(post.box.newest(1000)))
    set_card(stripe, "4000000000000002")
    advance_months(stripe)
    for _ in range(3):
        clock.set_ahead(clock.now() - real_now() + 4 * DAY)
        subscriptions.renew_due(stripe.account)
    make_due()
    send_jobs.send_due()
    advance_months(stripe)
    recurring_gift = recurring_gift_for(donation)
    assert (recurring_gift.status, recurring_gift.is_over, recurring_gift.cancellation_reason) == ("canceled", True, "payment_failed")
    make_due()
    send_jobs.send_due()
    emails = emails_since(post, before)
    assert sum(failed in body for _, body in emails) == 1, "four failed charges of one instalment send one email"
    assert sum(ended in body for _, body in emails) == 1
    assert all(f"/{language}/monthly/{recurring_gift.token}" in body for _, body in emails)
    assert instalments(recurring_gift) == [(100_00, "paid", 100_00)]


def test_a_failed_charge_that_ends_a_monthly_gift_at_once_brings_one_email(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    send_jobs.send_due()
    before = len(list(post.box.newest(1000)))
    set_card(stripe, "4000000000000002")
    advance_months(stripe)
    for _ in range(3):
        clock.set_ahead(clock.now() - real_now() + 4 * DAY)
        subscriptions.renew_due(stripe.account)
    advance_months(stripe)
    make_due()
    send_jobs.send_due()
    assert ["because your card could no longer be charged" in body for _, body in emails_since(post, before)] == [True]


def test_an_instalment_paid_before_its_failure_email_is_sent_sends_none(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    send_jobs.send_due()
    before = len(list(post.box.newest(1000)))
    set_card(stripe, "4000000000000002")
    advance_months(stripe)
    set_card(stripe, "4242424242424242")
    clock.set_ahead(clock.now() - real_now() + 4 * DAY)
    subscriptions.renew_due(stripe.account)
    schedule_jobs.poll_stripe()
    make_due()
    send_jobs.send_due()
    assert [subject for subject, _ in emails_since(post, before) if "could not be charged" in subject] == []
    assert len(instalments(recurring_gift_for(donation))) == 2


# The page of the recurring donation.


def page_of(app: Flask, donation: Donation) -> tuple[FlaskClient, str]:
    """A client that came by a link that was mailed to the donor, and the address of the page."""
    start_new_visitor()
    client = app.test_client()
    grant_access(client, donation)
    return client, f"/en/monthly/{recurring_gift_for(donation).token}"


def start_new_visitor() -> None:
    """All clients of a test share one app context, which stores the CSRF token of the last client."""
    g.pop("csrf_token", None)


def test_the_page_shows_the_recurring_donation_and_how_to_change_it(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    advance_months(stripe)
    client, address = page_of(app, donation)
    page = client.get(address).text
    for shown in ("You give $100.00 each month", "The next gift is on", "Stop now", "Change the card"):
        assert shown in page
    assert page.count("$100.00") >= 5
    donation_page = client.get(f"/en/donations/{donation.token}").text
    assert address in donation_page
    send_jobs.send_due()
    _, _, message, _ = next(iter(post.box.newest(1)))
    assert address in text_of(message)


def test_a_changed_amount_and_its_fee_apply_from_the_next_instalment(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe, cover_fee="y")
    schedule_jobs.poll_stripe()
    fee = donation.covered_fee_cents
    client, address = page_of(app, donation)
    answer = client.post(f"{address}/amount", data={"csrf_token": csrf_of(client.get(address)), "amount": "50"})
    assert answer.status_code == 303
    assert "From next month on, you will give $50.00." in client.get(address).text
    advance_months(stripe)
    assert instalments(recurring_gift_for(donation)) == [(100_00, "paid", 100_00), (50_00, "paid", 50_00)]
    assert recurring_gifts.instalments_of(recurring_gift_for(donation))[0].covered_fee_cents == fee // 2
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(
    ("amount", "expected"), [("a lot", "could not read this amount"), ("1", "choose an amount from"), ("99999", "choose an amount from")]
)
def test_an_invalid_amount_is_explained_and_stays_in_the_field(app: Flask, stripe: Stripe, amount: str, expected: str) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    client, address = page_of(app, donation)
    answer = client.post(f"{address}/amount", data={"csrf_token": csrf_of(client.get(address)), "amount": amount})
    page = client.get(answer.location).text
    assert expected in page
    assert f'value="{amount}"' in page
    assert recurring_gift_for(donation).amount_cents == 100_00


def test_the_card_is_changed_at_stripe(app: Flask, stripe: Stripe) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    client, address = page_of(app, donation)
    answer = client.post(f"{address}/card", data={"csrf_token": csrf_of(client.get(address))})
    assert answer.status_code == 303
    assert answer.location.startswith(f"{stripe.url}/p/session/")
    assert stripe.store.newest("billing_portal.session", limit=1)[0]["return_url"].endswith(address)


def test_cancelling_ends_all_charges_and_is_confirmed_by_email(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    send_jobs.send_due()
    before = len(list(post.box.newest(1000)))
    client, address = page_of(app, donation)
    token = csrf_of(client.get(address))
    for _ in range(2):
        client.post(f"{address}/end", data={"csrf_token": token})
    assert "It ended on" in client.get(address).text
    advance_months(stripe, 2)
    assert instalments(recurring_gift_for(donation)) == [(100_00, "paid", 100_00)]
    make_due()
    send_jobs.send_due()
    assert [body.count("Your monthly gift has ended. Nothing more") for _, body in emails_since(post, before)] == [1]


def test_while_stripe_is_unavailable_nothing_changes_and_the_page_says_so(app: Flask, stripe: Stripe) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    client, address = page_of(app, donation)
    token = csrf_of(client.get(address))
    for action, data in (("amount", {"amount": "50"}), ("card", {}), ("end", {})):
        faults.inject(stripe.store, kind="500", path="/v1/(subscriptions|billing_portal)", times=2)
        answer = client.post(f"{address}/{action}", data={"csrf_token": token, **data})
        assert "Nothing was changed" in client.get(answer.location).text
        faults.clear(stripe.store)
    assert recurring_gift_for(donation).amount_cents == 100_00
    assert not recurring_gift_for(donation).is_over


def test_the_link_is_sent_by_email_and_the_response_reveals_no_donor(app: Flask, stripe: Stripe, post: Post) -> None:
    donation = start_recurring(app, stripe)
    schedule_jobs.poll_stripe()
    send_jobs.send_due()
    before = len(list(post.box.newest(1000)))
    start_new_visitor()
    client = app.test_client()
    token, counts = csrf_of(client.get("/en/monthly")), []
    for email in (donation.email.upper(), "nobody@example.org", "", "x" * 400):
        answer = client.post("/en/monthly", data={"csrf_token": token, "email": email})
        counts.append(client.get(answer.location).text.count("an email with its link is on its way"))
    assert counts == [1, 1, 1, 1]
    send_jobs.send_due()
    ((subject, body),) = emails_since(post, before)
    assert "The link to your monthly gift" in subject
    path = re.search(r"/en/access/[0-9a-f]{64}", body)
    assert path
    assert client.post(path[0]).location == f"/en/monthly/{recurring_gift_for(donation).token}#done"


def test_an_unknown_token_is_404(app: Flask) -> None:
    assert app.test_client().get("/en/monthly/nobody").status_code == 404
    assert app.test_client().get("/fr/monthly/nobody").status_code == 404


def test_monthly_donations_are_explained_before_paying(app: Flask, fund: Fund) -> None:
    assert "Each is matched when it is paid" in app.test_client().get("/en/vision-sanaa-richard").text
    page = app.test_client().get("/fr/vision-sanaa-richard").text
    assert "Chaque mois est un don distinct" in page


def test_an_instalment_of_an_unknown_donation_is_quarantined(app: Flask, stripe: Stripe) -> None:
    donation = start_recurring(app, stripe)
    assert stripe.store.newest("subscription", limit=1)
    invoice = stripe.store.newest("invoice", limit=1)[0]
    invoice["parent"]["subscription_details"]["metadata"] = {"donation": f"d_{0:020x}"}
    stripe.store.put(invoice)
    handle(next(sent for sent in stripe.store.newest("event", limit=50) if sent["type"] == "invoice.paid"))
    assert db.session.execute(text("SELECT anomaly FROM quarantined_payment")).scalars().all() == ["unknown"]
    assert state(donation) == "pending"


def test_a_first_month_that_the_donors_page_finds_is_shown_as_paid(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_recurring(app, stripe)
    for suffix, shown in (("", "Thank you"), (".json", '"state":"paid"')):
        with app.app_context():
            page = app.test_client().get(f"/en/donations/{donation.token}{suffix}").text
        assert shown in page.replace(" ", " ").replace('": "', '":"'), suffix
        assert "refunded" not in page
