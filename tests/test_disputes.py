"""Disputes as Stripe has them: money stays lost until Stripe's balance says that it came back, and a monthly gift that is disputed ends."""

import itertools
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import aftermath, subscriptions
from campaign.devstack.sandbox.stripe_account import Declined
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused
from campaign.edges.stripe.reversals import ReversalKind
from campaign.matching.holds import match_of
from campaign.payments import alerts, disputes
from campaign.payments.reversals import ReversalSnapshot
from campaign.recurring import recurring_gifts
from campaign.recurring.cancel_jobs import cancel_requested
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.staff.audit import AuditEntry
from tests.conftest import Post, Stripe
from tests.factories import create_refund, paid
from tests.mail import make_due, text_of
from tests.stripe import control, event, expired, handle, paid_at_stripe, pay_at_stripe, sessions, start_debit, state, succeeded
from tests.web import csrf_of, send, signed_in


def follow(stripe: Stripe, donation: Donation, *steps: dict[str, Any]) -> list[tuple[int, int]]:
    """Bring a dispute of the donation through these steps; the donation's net amount and match after each."""
    dispute: dict[str, Any] = {}
    after = []
    for step in steps:
        dispute = control(stripe, f"disputes/{dispute['id']}", **step) if dispute else control(stripe, "disputes", **step)
        schedule_jobs.poll_stripe()
        db.session.expire_all()
        after.append((donation.net_cents, match_of(donation.id).matched_cents))
    return after


def kinds_of_alerts() -> list[str]:
    return [alert.kind for alert in alerts.list_open(limit=10)]


@pytest.mark.parametrize(
    ("steps", "net"),
    [
        (["under_review", "lost", "appeal_needs_response", "appeal_under_review", "lost"], [100, 100, 0, 0, 0, 0]),
        (["lost", "appeal_needs_response", "appeal_under_review", "won"], [100, 0, 0, 0, 100]),
        (["under_review", "won"], [100, 100, 100]),
        ([{"status": "won", "reinstated": 60_00}], [100, 60]),
        (["lost", "appeal_needs_response", "appeal_under_review", {"status": "won", "reinstated": 60_00}], [100, 0, 0, 0, 60]),
    ],
)
def test_money_stays_lost_during_an_appeal_and_what_came_back_is_read_from_the_balance(
    app: Flask, campaign: Campaign, stripe: Stripe, steps: list[Any], net: list[int]
) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    first = {"payment_intent": donation.payment_intent}
    later = [step if isinstance(step, dict) else {"status": step} for step in steps]
    assert follow(stripe, donation, first, *later) == [(dollars * 100, dollars * 100) for dollars in net]
    db.session.execute(db.text("UPDATE stripe_cursor SET read_until = read_until + interval '2 hours'"))
    db.session.commit()
    assert checker.findings(db.engine) == []
    assert kinds_of_alerts() == []


def test_an_appeal_that_is_seen_before_the_loss_means_a_loss(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    dispute = control(stripe, "disputes", payment_intent=donation.payment_intent)["id"]
    for status in ("lost", "appeal_needs_response", "appeal_under_review"):
        control(stripe, f"disputes/{dispute}", status=status)
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert (donation.net_cents, match_of(donation.id).matched_cents) == (0, 0)
    assert checker.findings(db.engine) == []


def test_a_lost_dispute_that_was_reinstated_in_full_pauses_nothing(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    follow(stripe, donation, {"payment_intent": donation.payment_intent}, {"status": "lost"})
    dispute = stripe.store.newest("dispute", limit=1)[0]
    aftermath._move_balance(stripe.account, dispute, 100_00, category="dispute_reversal")
    stripe.account.emit("charge.dispute.funds_reinstated", dispute)
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert (donation.net_cents, checker.findings(db.engine)) == (100_00, [])


def test_a_monthly_gift_that_stripe_does_not_know_does_not_keep_others_from_being_cancelled(
    app: Flask, campaign: Campaign, stripe: Stripe
) -> None:
    for email in ("one@example.org", "two@example.org"):
        with app.app_context():
            assert send(app.test_client(), "en", frequency="monthly", email=email).status_code == 303
        pay_at_stripe(stripe, db.session.query(Donation).order_by(Donation.id.desc()).limit(1).one())
    schedule_jobs.poll_stripe()
    gone, known = db.session.query(RecurringGift).order_by(RecurringGift.id)
    gone.subscription = "sub_gone"
    for gift in (gone, known):
        recurring_gifts.request_cancellation(db.session.get_one(Donation, gift.donation_id), dispute=f"dp_{gift.id}")
    db.session.commit()
    with pytest.raises(StripeRefused):
        cancel_requested()
    db.session.expire_all()
    assert (gone.is_over, known.is_over) == (False, True)


def test_the_donor_reads_how_much_was_reinstated(app: Flask, campaign: Campaign, stripe: Stripe, post: Post) -> None:
    donation = paid_at_stripe(campaign, 100_00, email="sixty@example.org")
    steps = ("lost", "appeal_needs_response", "appeal_under_review")
    first = {"payment_intent": donation.payment_intent, "amount": 120_00}
    every: list[dict[str, Any]] = [first, *({"status": step} for step in steps), {"status": "won", "reinstated": 80_00}]
    for step in every:
        dispute = stripe.store.newest("dispute", limit=1)
        control(stripe, f"disputes/{dispute[0]['id']}" if dispute else "disputes", **step)
        schedule_jobs.poll_stripe()
        make_due()
        schedule_jobs.run_due_work()
    mails = [text_of(message) for _, recipients, message, _ in post.box.newest(20) if recipients == ["sixty@example.org"]]
    assert ["$60 of your gift" in mails[0], "$100" in mails[1], len(mails)] == [True, True, 3], mails


def test_each_email_names_the_sum_of_its_own_change_however_late_it_is_sent(
    app: Flask, campaign: Campaign, stripe: Stripe, post: Post
) -> None:
    donation = paid_at_stripe(campaign, 100_00, email="late@example.org")
    appeal: list[dict[str, Any]] = [{"status": status} for status in ("lost", "appeal_needs_response", "appeal_under_review")]
    follow(stripe, donation, {"payment_intent": donation.payment_intent}, *appeal, {"status": "won", "reinstated": 60_00})
    make_due()
    schedule_jobs.run_due_work()
    mails = sorted(
        text_of(message)
        for _, recipients, message, _ in post.box.newest(20)
        if recipients == ["late@example.org"] and "returned" in text_of(message)
    )
    for mail, words in zip(mails, ["$60 of your gift", "it returned $100 to you"], strict=True):
        assert words in mail


def test_staff_see_a_dispute_that_waits_for_an_answer_with_its_deadline(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    control(stripe, "shop", kind="payment")
    of_shop = stripe.store.newest("charge", limit=1)[0]["id"]
    control(stripe, "disputes", charge=of_shop)
    follow(stripe, donation, {"payment_intent": donation.payment_intent})
    (found,) = disputes.list_unanswered(limit=5)
    assert found.reversal.respond_by
    day = campaign.charity.local(found.reversal.respond_by)
    client = signed_in(app, "viewer")
    assert "1 dispute of a gift waits for an answer at Stripe.</strong> The first one until" in client.get("/staff/").text
    assert f"{day:%Y-%m-%d %H:%M}</time>" in client.get("/staff/stripe").text
    assert f"until {day:%Y-%m-%d %H:%M}" in client.get(f"/staff/donations/{donation.public_id}").text
    dispute = stripe.store.newest("dispute", limit=1)[0]["id"]
    control(stripe, f"disputes/{dispute}", status="under_review")
    schedule_jobs.poll_stripe()
    assert disputes.count_unanswered() == 0
    assert "waits for an answer" not in client.get("/staff/").text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "your bank returned the money to you"), ("fr", "votre banque vous a retourné l’argent")]
)
def test_the_donors_page_after_a_lost_dispute_does_not_promise_a_refund(
    app: Flask, campaign: Campaign, stripe: Stripe, language: str, words: str
) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    follow(stripe, donation, {"payment_intent": donation.payment_intent}, {"status": "lost"})
    page = app.test_client().get(f"/{language}/donations/{donation.token}").text
    assert words in page
    assert not {"ten days", "dix jours"} & {words for words in ("ten days", "dix jours") if words in page}


@pytest.mark.parametrize("status", ["prevented", "warning_needs_response"])
def test_a_dispute_that_takes_no_money_changes_nothing(app: Flask, campaign: Campaign, stripe: Stripe, status: str) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    assert follow(stripe, donation, {"payment_intent": donation.payment_intent, "status": status}) == [(100_00, 100_00)]
    assert state(donation) == "paid"


def test_a_loss_larger_than_the_charge_is_capped_and_staff_see_it(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    first = {"payment_intent": donation.payment_intent, "amount": 120_00}
    assert follow(stripe, donation, first, {"status": "lost"}) == [(100_00, 100_00), (0, 0)]
    db.session.execute(db.text("UPDATE stripe_cursor SET read_until = read_until + interval '2 hours'"))
    db.session.commit()
    assert (checker.findings(db.engine), kinds_of_alerts()) == ([], ["loss_beyond_charge"])
    client = signed_in(app, "clerk")
    page = client.get("/staff/stripe?lang=fr")
    assert "ont repris 120,00" in page.text.replace("\xa0", " ")
    alert = alerts.list_open(limit=1)[0]
    closed = client.post(f"/staff/stripe/alerts/{alert.id}/closings", data={"csrf_token": csrf_of(page)})
    assert (closed.status_code, kinds_of_alerts()) == (303, [])
    assert db.session.query(AuditEntry).filter_by(action="alert closed: loss_beyond_charge").one().actor


def test_a_viewer_may_not_close_an_alert(app: Flask, campaign: Campaign) -> None:
    create_refund(paid(campaign), 100_00, status="a new status")
    db.session.commit()
    client = signed_in(app, "viewer")
    page = client.get("/staff/stripe")
    assert f"“a new status”, for {alerts.list_open(limit=1)[0].object_id}" in page.text
    token = csrf_of(client.get("/staff/"))
    assert client.post(f"/staff/stripe/alerts/{alerts.list_open(limit=1)[0].id}/closings", data={"csrf_token": token}).status_code == 403


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_an_unknown_status_changes_nothing_and_staff_see_it(campaign: Campaign, kind: str) -> None:
    donation = paid(campaign, 100_00)
    create_refund(donation, 100_00, kind=kind, name="one", status="of_next_year")
    db.session.commit()
    assert (donation.net_cents, kinds_of_alerts()) == (100_00, ["unknown_status"])
    create_refund(donation, 100_00, kind=kind, name="one")
    create_refund(donation, 100_00, kind=kind, name="one", status="of_next_year")
    db.session.commit()
    db.session.refresh(donation)
    assert (donation.net_cents, kinds_of_alerts()) == (0, ["unknown_status"])
    alerts.close(alerts.list_open(limit=1)[0].id, actor="test")
    for status in ("of_next_year", "of_the_year_after"):
        create_refund(donation, 100_00, kind=kind, name="one", status=status)
        db.session.commit()
        db.session.expire_all()
        assert kinds_of_alerts() == ["unknown_status"] * (status == "of_the_year_after"), "raised again for what is new"
    assert alerts.list_open(limit=1)[0].detail == {"status": "of_the_year_after"}
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("status", ["won", "needs_response", "appeal_under_review", "warning_closed", "prevented"])
@pytest.mark.parametrize("reinstated", [0, 40_00, 100_00])
def test_reinstated_sums_come_from_the_balance_whatever_the_status(status: str, reinstated: int) -> None:
    snapshot = ReversalSnapshot(
        stripe_id="dp_1",
        kind=ReversalKind.DISPUTE,
        payment_intent="pi_1",
        cents=100_00,
        status=status,
        snapshot_number=1,
        withdrawn_cents=100_00,
        reinstated_cents=reinstated,
    )
    assert snapshot.reversed_cents(100_00) == 100_00 - reinstated
    was_lost = status in {"appeal_under_review", "prevented"} or (status == "won" and reinstated)
    assert snapshot.reversed_cents(0) == (100_00 - reinstated if was_lost else 0)


@pytest.mark.parametrize(
    ("reason", "steps", "ends"),
    [("fraudulent", ["lost"], True), ("subscription_canceled", [], True), ("fraudulent", ["under_review"], False)],
)
def test_a_lost_or_cancelled_dispute_of_a_month_ends_the_monthly_gift_once(
    app: Flask, campaign: Campaign, stripe: Stripe, post: Post, reason: str, steps: list[str], ends: bool
) -> None:
    email = f"{reason}.{len(steps)}.{ends}@example.org"
    assert send(app.test_client(), "fr", frequency="monthly", email=email).status_code == 303
    donation = db.session.query(Donation).one()
    pay_at_stripe(stripe, donation)
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    follow(stripe, donation, {"payment_intent": donation.payment_intent, "reason": reason}, *({"status": step} for step in steps))
    schedule_jobs.poll_stripe()
    subscription = stripe.store.newest("subscription", limit=1)[0]
    gift = recurring_gifts.recurring_gift_of(donation)
    assert gift
    db.session.refresh(gift)
    assert (subscription["status"] == "canceled", gift.is_over) == (ends, ends)
    assert kinds_of_alerts() == ["disputed_agreement"] * ends
    make_due()
    schedule_jobs.run_due_work()
    mails = [message for _, recipients, message, _ in post.box.newest(20) if recipients == [email]]
    ended = [text_of(message) for message in mails if "a pris fin" in str(message["Subject"])]
    assert [("votre banque nous a dit" in text) for text in ended] == [True] * ends
    assert all("Les autres mois ne changent pas" in text for text in ended)
    page = app.test_client().get(f"/fr/donations/{donation.token}").text
    assert ("Votre don mensuel a pris fin." in page, "Vous donnez chaque mois." in page) == (ends, not ends)


def test_a_debit_that_is_canceled_frees_its_hold_at_once(app: Flask, campaign: Campaign, stripe: Stripe, post: Post) -> None:
    donation = start_debit(app, stripe)
    schedule_jobs.poll_stripe()
    assert match_of(donation.id).held_cents == 100_00
    control(stripe, f"debits/{donation.checkout_id}", outcome="canceled")
    schedule_jobs.poll_stripe()
    assert (state(donation), match_of(donation.id).held_cents) == ("failed", 0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_debit_that_is_canceled_has_failed_in_whichever_order_its_events_come(
    app: Flask, campaign: Campaign, stripe: Stripe, order: tuple[int, ...]
) -> None:
    donation = start_debit(app, stripe)
    control(stripe, f"debits/{donation.checkout_id}", outcome="canceled")
    types = ("payment_intent.processing", "checkout.session.completed", "payment_intent.canceled")
    sent = {found["type"]: found for found in stripe.store.newest("event", limit=20)}
    for index in order:
        handle(sent[types[index]])
        db.session.expire_all()
        if types[index] == "payment_intent.canceled":
            assert match_of(donation.id).held_cents == 0, "freed at once"
    assert state(donation) == "failed"
    assert db.session.execute(text("SELECT kind FROM outbox")).scalars().all() == ["payment_failed"]
    assert checker.findings(db.engine) == []


def test_the_payment_of_a_checkout_that_expires_is_canceled_and_the_donor_gets_no_message(
    app: Flask, campaign: Campaign, stripe: Stripe
) -> None:
    assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    with pytest.raises(Declined):
        subscriptions.pay_checkout(stripe.account, sessions(stripe)[0], "4000000000000002")
    services().stripe_payments.expire_checkout(str(donation.checkout_id))
    schedule_jobs.poll_stripe()
    assert [found["status"] for found in stripe.store.newest("payment_intent", limit=5)] == ["canceled"]
    assert (state(donation), match_of(donation.id).held_cents) == ("expired", 0)
    assert db.session.execute(text("SELECT kind FROM outbox")).scalars().all() == []


def test_a_canceled_payment_that_is_not_of_the_donors_checkout_frees_nothing(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    strange = {
        "id": "pi_other",
        "object": "payment_intent",
        "metadata": {"donation": donation.public_id},
        "payment_method_types": ["acss_debit"],
    }
    handle(event("payment_intent.canceled", strange))
    assert (state(donation), match_of(donation.id).held_cents) == ("pending", 100_00)


def test_an_expired_checkout_for_debits_alone_sends_no_message_of_a_failure(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    control(stripe, "payment_methods", type="card", state="off")
    assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    stripe.account.get_or_create_intent(sessions(stripe)[0])
    services().stripe_payments.expire_checkout(str(donation.checkout_id))
    schedule_jobs.poll_stripe()
    assert (state(donation), db.session.execute(text("SELECT kind FROM outbox")).scalars().all()) == ("expired", [])


def test_a_late_event_of_processing_changes_nothing_about_a_payment_in_quarantine(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_debit(app, stripe)
    sent = {found["type"]: found for found in stripe.store.newest("event", limit=20)}
    handle(expired(donation))
    handle(succeeded(donation, amount_received=1))
    handle(sent["payment_intent.processing"])
    assert (state(donation), db.session.execute(text("SELECT kind FROM outbox")).scalars().all()) == ("quarantined", [])


def test_a_debit_that_the_bank_returns_after_its_success_is_lost(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_debit(app, stripe)
    control(stripe, f"debits/{donation.checkout_id}", outcome="succeeded")
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert (state(donation), match_of(donation.id).matched_cents) == ("paid", 100_00)
    control(stripe, f"debits/{donation.checkout_id}", outcome="returned")
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert (state(donation), match_of(donation.id).matched_cents, disputes.count_unanswered()) == ("refunded", 0, 0)
    assert checker.findings(db.engine) == []


def test_staff_see_that_a_debit_failed_after_its_success(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_debit(app, stripe)
    for outcome in ("succeeded", "failed_after_success"):
        control(stripe, f"debits/{donation.checkout_id}", outcome=outcome)
        schedule_jobs.poll_stripe()
    assert kinds_of_alerts() == ["failed_after_success"]
    client = signed_in(app, "viewer")
    with app.app_context():
        assert "a échoué, alors qu’il l’avait annoncé" in client.get("/staff/stripe?lang=fr").text


def test_what_a_prevented_dispute_has_moved_is_lost(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    assert follow(stripe, donation, {"payment_intent": donation.payment_intent, "status": "prevented"}) == [(100_00, 100_00)]
    dispute = stripe.store.newest("dispute", limit=1)[0]
    aftermath._move_balance(stripe.account, dispute, -100_00, category="dispute")
    stripe.account.emit("charge.dispute.funds_withdrawn", dispute)
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert (donation.net_cents, match_of(donation.id).matched_cents) == (0, 0)


def test_an_alert_of_a_loss_is_withdrawn_when_the_dispute_is_won(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    first = {"payment_intent": donation.payment_intent, "amount": 120_00}
    steps: list[dict[str, Any]] = [{"status": step} for step in ("lost", "appeal_needs_response", "appeal_under_review")]
    follow(stripe, donation, first, *steps)
    assert kinds_of_alerts() == ["loss_beyond_charge"]
    dispute = stripe.store.newest("dispute", limit=1)[0]["id"]
    control(stripe, f"disputes/{dispute}", status="won")
    schedule_jobs.poll_stripe()
    assert kinds_of_alerts() == []
