"""Payments that are not as we made them, or that nobody asked for: kept, not matched, and decided on by staff."""

import re

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import matches, quarantine
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.quarantine import CannotDecide, Decision, QuarantinedPayment, Why
from campaign.giving.refund_requests import CannotRefund
from campaign.reporting import books
from campaign.sandbox import aftermath
from campaign.work import deciding, refunding, sweeps
from tests.conftest import Stripe
from tests.factories import another_campaign, begun, completed, event, gone_at, paid, succeeded
from tests.test_dead_events import csrf_of
from tests.test_events import handle, outcomes, state
from tests.test_payouts import charge_of
from tests.test_web import signed_in

SAID = {"actor": "test", "reason": "asked the donor"}


def waiting() -> list[tuple[str, str, int]]:
    db.session.expire_all()
    rows = db.session.query(QuarantinedPayment).filter(QuarantinedPayment.decision.is_(None)).order_by(QuarantinedPayment.id)
    return [(p.why, p.payment_intent, p.amount_cents) for p in rows]


def decided() -> list[tuple[str, str | None]]:
    db.session.expire_all()
    return [(str(p.decision), p.decided_by) for p in quarantine.decided(limit=10)]


def row() -> int:
    return quarantine.undecided(limit=1)[0].id


def matched(donation: Donation) -> int:
    return matches.match_of(donation.id).matched_cents


def paid_wrongly(campaign: Campaign, stripe: Stripe, cents: int, **changed: object) -> Donation:
    """A gift of $100 whose payment at the account is of another sum."""
    donation = begun(campaign, 100_00, **changed)
    made = outside().stripe._client.v1.payment_intents.create(
        {
            "amount": cents,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": donation.public_id},
        }
    )
    handle(event("payment_intent.succeeded", stripe.store.get(made.id)))
    assert state(donation) == "quarantined"
    return donation


def test_a_payment_of_nobody_is_kept_whatever_tells_of_it(campaign: Campaign) -> None:
    about = {
        "id": "pi_of_a_shop",
        "object": "payment_intent",
        "metadata": {},
        "amount_received": 25_00,
        "currency": "cad",
        "livemode": False,
    }
    session = {
        "id": "cs_of_a_shop",
        "object": "checkout.session",
        "payment_intent": "pi_of_a_shop",
        "payment_status": "paid",
        "amount_total": 25_00,
    }
    handle(event("payment_intent.succeeded", about), event("checkout.session.completed", session), event("payment_intent.succeeded", about))
    assert waiting() == [(Why.UNKNOWN, "pi_of_a_shop", 25_00)]
    assert (quarantine.undecided(limit=9), quarantine.count_undecided()) == ([], 0), "its invoice may be on its way"
    db.session.execute(text("UPDATE quarantined_payment SET kept_at = now() - interval '11 minutes'"))
    assert (row(), quarantine.count_undecided()) == (1, 1)
    assert outcomes()[0] == "quarantined: a payment that no donation of ours asked for"
    assert db.session.get_one(CampaignTotals, campaign.id).donations == 0


def test_a_payment_of_ours_that_comes_without_its_name_is_known(campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    handle(completed(donation))
    handle(succeeded(donation, metadata={}))
    assert (outcomes()[-1], waiting()) == ("known", [])


def test_one_payment_that_two_donations_name_is_that_of_the_first(campaign: Campaign, fund: Fund) -> None:
    first, second, third = begun(campaign, 100_00), begun(campaign, 100_00), begun(campaign, 100_00)
    claim = completed(second, payment_intent=f"pi_{first.public_id}")
    in_one_batch = completed(third, payment_intent=f"pi_{first.public_id}")
    handle(completed(first), in_one_batch)
    handle(claim)
    assert [state(d) for d in (first, second, third)] == ["paid", "quarantined", "quarantined"]
    assert waiting() == [(Why.TAKEN, f"pi_{first.public_id}", 100_00)]
    with pytest.raises(CannotDecide):
        deciding.accept(row(), **SAID)
    with pytest.raises(CannotRefund, match="not ours to give back"):
        refunding.refund_quarantined(row(), **SAID)
    deciding.set_aside(row(), **SAID)
    assert decided() == [(Decision.SET_ASIDE, "test")]
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(("paid_cents", "gift", "fee"), [(250_00, 242_02, 7_98), (50_00, 48_41, 1_59), (1, 1, 0)])
def test_accepted_it_is_a_gift_of_what_was_paid_with_its_covered_fee_in_proportion(
    campaign: Campaign, stripe: Stripe, fund: Fund, paid_cents: int, gift: int, fee: int
) -> None:
    donation = paid_wrongly(campaign, stripe, paid_cents, covered_fee_cents=3_30)
    deciding.accept(row(), **SAID)
    db.session.expire_all()
    assert (state(donation), donation.amount_cents, donation.covered_fee_cents) == ("paid", gift, fee)
    assert matched(donation) == gift
    assert list(db.session.execute(text("SELECT key FROM outbox")).scalars()) == [f"receipt:{donation.public_id}"]
    assert decided() == [(Decision.ACCEPTED, "test")]
    sweeps.sweep_outside()
    assert books.findings(db.engine) == []


def test_a_payment_of_another_account_is_neither_taken_nor_ours_to_give_back(campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    handle({**completed(donation), "account": "acct_of_somebody"})
    assert (state(donation), waiting()) == ("quarantined", [(Why.ACCOUNT, f"pi_{donation.public_id}", 100_00)])
    for act in (deciding.accept, refunding.refund_quarantined):
        with pytest.raises((CannotDecide, CannotRefund)):
            act(row(), **SAID)
        db.session.rollback()


def test_a_payment_that_names_two_donations_waits_for_staff(campaign: Campaign, fund: Fund) -> None:
    donation, other = begun(campaign, 100_00), begun(campaign, 100_00)
    handle(completed(donation, client_reference_id=other.public_id))
    assert (state(donation), state(other), waiting()[0][0]) == ("quarantined", "pending", Why.METADATA)
    deciding.accept(row(), **SAID)
    assert state(donation) == "paid"
    assert books.findings(db.engine) == []


def test_a_second_payment_accepted_is_a_second_gift_of_the_same_donor(campaign: Campaign, fund: Fund) -> None:
    first = begun(campaign, 100_00, tribute_kind="memory", tribute_name="Œnone")
    handle(completed(first))
    handle(succeeded(first, id="pi_again"))
    assert waiting() == [(Why.SECOND, "pi_again", 100_00)]
    second = deciding.accept(row(), **SAID)
    assert (state(second), second.payment_intent, second.email, second.tribute_name) == ("paid", "pi_again", first.email, "Œnone")
    assert (matched(first), matched(second)) == (100_00, 100_00)
    handle(succeeded(first, id="pi_again"))
    assert (outcomes()[-1], waiting()) == ("known", [])
    totals = db.session.get_one(CampaignTotals, campaign.id)
    assert (totals.donations, totals.donors, totals.donated_cents) == (2, 1, 200_00)
    assert books.findings(db.engine) == []


def test_given_back_it_is_refunded_at_stripe_and_the_donation_ends(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_wrongly(campaign, stripe, 250_00)
    request = refunding.refund_quarantined(row(), **SAID)
    assert stripe.store.get(request.stripe_id)["amount"] == 250_00
    assert (state(donation), waiting(), decided()) == ("refunded", [], [(Decision.GIVEN_BACK, "test")])
    sweeps.sweep_outside()
    assert (state(donation), decided()) == ("refunded", [(Decision.GIVEN_BACK, "test")])
    assert db.session.get_one(CampaignTotals, campaign.id).donated_cents == 0
    assert books.findings(db.engine) == []


def test_a_refund_of_it_that_fails_brings_it_back_to_staff(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_wrongly(campaign, stripe, 250_00)
    request = refunding.refund_quarantined(row(), **SAID)
    aftermath.change_refund(stripe.account, stripe.store.get(request.stripe_id), "failed")
    sweeps.sweep_outside()
    assert (state(donation), len(waiting())) == ("quarantined", 1)
    refunding.refund_quarantined(row(), **SAID)
    assert state(donation) == "refunded"


def test_given_back_at_stripes_own_pages_it_needs_nobody_any_more(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_wrongly(campaign, stripe, 250_00)
    aftermath.refund(stripe.account, charge_of(stripe, donation), 100_00, {})
    sweeps.sweep_outside()
    assert len(waiting()) == 1
    with pytest.raises(CannotDecide, match="Part of this payment went back"):
        deciding.accept(row(), **SAID)
    db.session.rollback()
    aftermath.refund(stripe.account, charge_of(stripe, donation), 150_00, {})
    sweeps.sweep_outside()
    assert (state(donation), decided()) == ("refunded", [(Decision.GIVEN_BACK, "Stripe")])


def test_a_payment_heard_of_after_its_refund_needs_nobody(campaign: Campaign, stripe: Stripe) -> None:
    donation = begun(campaign, 100_00)
    handle(gone_at(stripe, donation, 90_00, kind="refund.created"))
    handle(completed(donation, amount_total=90_00))
    assert (state(donation), waiting()) == ("refunded", [])
    assert books.findings(db.engine) == []


def test_what_is_decided_is_decided_once(campaign: Campaign, stripe: Stripe) -> None:
    paid_wrongly(campaign, stripe, 250_00)
    which = row()
    deciding.set_aside(which, **SAID)
    for act in (deciding.accept, deciding.set_aside, refunding.refund_quarantined):
        with pytest.raises(CannotDecide, match="already"):
            act(which, **SAID)
        db.session.rollback()
    with pytest.raises(CannotDecide, match="no such payment"):
        deciding.accept(10**6, **SAID)


def test_nothing_accepted_is_matched_beyond_the_fund(campaign: Campaign, stripe: Stripe) -> None:
    own = another_campaign(60_00, like=campaign)
    paid(own, 50_00)
    donation = paid_wrongly(own, stripe, 250_00)
    deciding.accept(row(), **SAID)
    assert matched(donation) == 10_00
    assert books.findings(db.engine) == []


def test_pay_names_what_is_odd_in_the_life_of_the_donation(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_wrongly(campaign, stripe, 250_00)
    deciding.accept(row(), **SAID)
    page = signed_in(app, "viewer").get(f"/staff/donations/{donation.public_id}").text
    assert "The payment was not as we made it" in page
    assert "A person has accepted the payment as it is." in page
    assert "test: asked the donor" in page
    own = app.test_client().get(f"/en/donations/{donation.token}").text
    assert "asked the donor" not in own


# The page.


def decide(app: Flask, role: str, decision: str, reason: str = "asked the donor") -> str:
    client = signed_in(app, role)
    page = client.get("/staff/quarantine")
    answer = client.post(f"/staff/quarantine/{row()}/decisions", data={"csrf_token": csrf_of(page), "decision": decision, "reason": reason})
    return client.get(answer.location).text if answer.status_code == 303 else str(answer.status_code)


def test_staff_see_what_is_odd_and_a_manager_decides(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_wrongly(campaign, stripe, 250_00)
    page = decide(app, "manager", "accepted")
    assert "The payment is a gift now." in page
    assert "No payment waits for a decision." in page
    assert "asked the donor" in page
    assert state(donation) == "paid"
    acts = db.session.execute(text("SELECT act, subject FROM audit_entry WHERE act LIKE 'quarantine%'")).all()
    assert acts == [("quarantine: accepted", donation.payment_intent)]


def test_who_is_no_manager_sees_no_buttons_and_is_refused(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_wrongly(campaign, stripe, 250_00)
    client = signed_in(app, "clerk")
    page = client.get("/staff/quarantine")
    assert "A manager decides." in page.text
    assert not re.search(r'name="decision"', page.text)
    assert client.post(f"/staff/quarantine/{row()}/decisions", data={"decision": "accepted", "reason": "x"}).status_code in {400, 403}
    assert len(waiting()) == 1


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\x00b"])
def test_a_decision_without_a_reason_is_none(app: Flask, campaign: Campaign, stripe: Stripe, reason: str) -> None:
    paid_wrongly(campaign, stripe, 250_00)
    assert "Please say why" in decide(app, "manager", "accepted", reason)
    assert len(waiting()) == 1


def test_a_decision_that_is_none_of_ours_is_400(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_wrongly(campaign, stripe, 250_00)
    assert decide(app, "manager", "burn") == "400"


def test_what_cannot_be_done_is_said_in_the_language_of_staff(app: Flask, campaign: Campaign) -> None:
    first = begun(campaign, 100_00)
    handle(completed(first), completed(begun(campaign, 100_00), payment_intent=f"pi_{first.public_id}"))
    client = signed_in(app, "manager")
    token = csrf_of(client.get("/staff/quarantine?lang=fr"))
    client.post(f"/staff/quarantine/{row()}/decisions", data={"csrf_token": token, "decision": "given_back", "reason": "x"})
    assert "Mettez-le de côté" in client.get("/staff/quarantine").text


def test_the_database_refuses_a_decision_without_who_and_why(campaign: Campaign, stripe: Stripe) -> None:
    paid_wrongly(campaign, stripe, 250_00)
    with pytest.raises(Exception, match="decision_has_who_when_why"):
        db.session.execute(text("UPDATE quarantined_payment SET decision = 'set_aside'"))
    db.session.rollback()
    assert db.session.query(QuarantinedPayment).count() == 1
