"""Our books and Stripe's, compared object by object: what Stripe has and we lack is brought in, the rest is said and stays open."""

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.cli import reconcile as reconcile_command
from campaign.cli import replay_events as replay_command
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import StripeRefused
from campaign.giving import heartbeats, matches, reconciliations
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.reconciliations import State
from campaign.reporting import books
from campaign.rules.differences import SENTENCES, Kind, say
from campaign.sandbox import aftermath, faults
from campaign.sandbox import payouts as at_stripe
from campaign.work import reconciling, sweeps
from campaign.work.balance import read_balance
from tests.conftest import Stripe
from tests.factories import begun, completed, event, keep_fee, paid
from tests.test_events import handle, state
from tests.test_payouts import account_of, charge_of, paid_at_stripe


def run() -> list[tuple[str, str]]:
    found = reconciliations.findings_of(reconciling.reconcile(since=None, actor="test"))
    db.session.expire_all()
    return [(finding.state, finding.kind) for finding in found]


def agrees() -> None:
    assert run() == []
    assert books.findings(db.engine) == []


def paid_unheard(campaign: Campaign, cents: int = 100_00, **changed: object) -> Donation:
    """Paid at the account, and nobody told us."""
    donation = begun(campaign, cents, **changed)
    db.session.commit()
    outside().stripe._client.v1.payment_intents.create(
        {
            "amount": donation.charged_cents,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": donation.public_id},
        }
    )
    return donation


def test_when_all_agree_nothing_is_said(app: Flask, campaign: Campaign) -> None:
    paid_at_stripe(campaign, 100_00)
    read_balance()
    agrees()


def test_a_payment_that_nobody_told_of_is_brought_in_with_its_match_and_fee(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_unheard(campaign)
    intent = stripe.store.newest("payment_intent", limit=1)[0]
    stripe.store.put({**stripe.store.get(intent["latest_charge"]), "created": intent["created"] - 86400})
    assert set(run()) == {(State.REPAIRED, kind) for kind in (Kind.PAYMENT_MISSING, Kind.LINE_MISSING, Kind.BALANCE_DIFFERS)}
    assert (state(donation), matches.match_of(donation.id).matched_cents) == ("paid", 100_00)
    assert donation.paid_at and int(donation.paid_at.timestamp()) == intent["created"] - 86400, "I25: by Stripe's time of payment"
    assert account_of(campaign) == 96_80
    agrees()


def test_a_payment_of_nobody_is_brought_into_quarantine(app: Flask, campaign: Campaign) -> None:
    outside().stripe._client.v1.payment_intents.create(
        {"amount": 5_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    )
    assert (State.REPAIRED, Kind.PAYMENT_MISSING) in run()
    assert db.session.execute(text("SELECT why FROM quarantined_payment")).scalars().all() == ["unknown"]
    agrees()


def test_refunds_disputes_and_payouts_that_nobody_told_of_are_brought_in(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    refunded, disputed = paid_at_stripe(campaign, 100_00), paid_at_stripe(campaign, 50_00)
    read_balance()
    aftermath.refund(stripe.account, charge_of(stripe, refunded), 40_00, {})
    made = aftermath.dispute(stripe.account, charge_of(stripe, disputed))
    aftermath.decide_dispute(stripe.account, made, "lost")
    at_stripe.pay_out(stripe.account, all_of_it=True)
    found = run()
    assert found.count((State.REPAIRED, Kind.BACK_MISSING)) == 2
    assert (State.REPAIRED, Kind.PAYOUT_MISSING) in found
    assert {state for state, _ in found} == {State.REPAIRED}
    assert (state(refunded), state(disputed)) == ("partially_refunded", "refunded")
    assert account_of(campaign) == 0
    agrees()


def test_what_changed_since_we_heard_is_followed(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    made = aftermath.refund(stripe.account, charge_of(stripe, donation), 40_00, {})
    payout = at_stripe.pay_out(stripe.account, all_of_it=True)
    assert {state for state, _ in run()} == {State.REPAIRED}
    assert state(donation) == "partially_refunded"
    aftermath.change_refund(stripe.account, stripe.store.get(made["id"]), "failed")
    at_stripe.decide_payout(stripe.account, payout, "paid")
    assert {(State.REPAIRED, Kind.BACK_DIFFERS), (State.REPAIRED, Kind.PAYOUT_DIFFERS)} <= set(run())
    assert state(donation) == "paid"
    agrees()


def test_with_webhooks_and_the_list_of_events_off_reconciliation_alone_ends_in_the_same_books(
    app: Flask, campaign: Campaign, fund: Fund, stripe: Stripe
) -> None:
    first, second = paid_unheard(campaign, 100_00), paid_unheard(campaign, 30_00, covered_fee_cents=1_17)
    reconciling.reconcile(since=None, actor="test")
    db.session.expire_all()
    aftermath.refund(stripe.account, charge_of(stripe, second), 31_17, {})
    reconciling.reconcile(since=None, actor="test")
    db.session.refresh(fund)
    assert (state(first), state(second), fund.matched_cents) == ("paid", "refunded", 100_00)
    agrees()


# What no machine repairs.


def plant_unknown_payment(campaign: Campaign) -> None:
    paid(campaign, 100_00)


def plant_other_amount(campaign: Campaign) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    db.session.execute(text("ALTER TABLE donation DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE donation SET amount_cents = 12000 WHERE id = :id"), {"id": donation.id})
    read_balance()


def plant_unknown_refund(campaign: Campaign) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    read_balance()
    db.session.execute(
        text("INSERT INTO money_back (stripe_id, kind, payment_intent, cents, status, look) VALUES ('re_x', 'refund', :p, 5, 'failed', 1)"),
        {"p": donation.payment_intent},
    )


def plant_unknown_line(campaign: Campaign) -> None:
    keep_fee(paid_at_stripe(campaign, 100_00), 3_20)
    read_balance()


def plant_other_line(campaign: Campaign) -> None:
    paid_at_stripe(campaign, 100_00)
    read_balance()
    db.session.execute(text("ALTER TABLE balance_line DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE balance_line SET cents = cents + 1, fee_cents = fee_cents + 1"))


def plant_unknown_payout(campaign: Campaign) -> None:
    db.session.execute(
        text(
            "INSERT INTO payout (stripe_id, cents, currency, status, lines, made_at, arrives_at, look)"
            " VALUES ('po_x', 100, 'CAD', 'paid', 'completed', now() + interval '2 s', now(), 1)"
        )
    )


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (plant_unknown_payment, [Kind.PAYMENT_NOT_THERE]),
        (plant_other_amount, [Kind.PAYMENT_DIFFERS]),
        (plant_unknown_refund, [Kind.BACK_NOT_THERE]),
        (plant_unknown_line, [Kind.BALANCE_DIFFERS, Kind.LINE_NOT_THERE]),
        (plant_other_line, [Kind.LINE_DIFFERS]),
        (plant_unknown_payout, [Kind.PAYOUT_NOT_THERE]),
    ],
)
def test_what_cannot_be_repaired_is_said_and_stays_open(app: Flask, campaign: Campaign, plant: object, kinds: list[Kind]) -> None:
    plant(campaign)
    db.session.commit()
    if plant is plant_unknown_line:
        db.session.execute(text("ALTER TABLE balance_line DISABLE TRIGGER USER"))
        db.session.execute(text("UPDATE balance_line SET made_at = now()"))
        db.session.commit()
    found = run()
    assert sorted(found) == sorted((State.OPEN, kind) for kind in kinds)
    assert reconciliations.open_differences() == len(kinds)
    assert all(sentence for sentence in db.session.execute(text("SELECT sentence FROM reconciliation_finding")).scalars())


def test_a_list_that_stripe_does_not_give_is_said(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(outside().stripe_books), "payouts_since", lambda *_: (_ for _ in ()).throw(StripeRefused("no such list")))
    assert run() == [(State.OPEN, Kind.NOT_LISTED)]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_difference_is_one_whole_sentence_in_both_languages(kind: Kind, language: str) -> None:
    detail = {"theirs": 100_00, "ours": -5, "fee": 3_20, "our_fee": 0, "what": "refund", "status": "failed", "our_status": "succeeded"}
    told = say(kind, "xx_1", detail, language)
    assert told[0].isupper()
    assert "xx_1" in told
    assert "{" not in told
    assert ("remboursement" in told) == (language == "fr" and "{what}" in SENTENCES[kind][1])


# The command and the schedule.


def test_the_command_says_what_was_found_and_what_was_compared(app: Flask, campaign: Campaign) -> None:
    donation = paid_unheard(campaign)
    done = app.test_cli_runner().invoke(reconcile_command, [])
    assert done.exit_code == 0, done.output
    assert "repaired: Stripe has a payment of $100.00, pi_" in done.output
    assert "Compared 1 payments, 1 lines of the balance, 1 balances since" in done.output
    assert state(donation) == "paid"


def test_the_command_fails_while_anything_differs(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    done = app.test_cli_runner().invoke(reconcile_command, ["--since", "2020-01-01"])
    assert done.exit_code == 1
    assert "open: Our books have a payment of $100.00" in done.output


@pytest.mark.parametrize(("arguments", "words"), [(["--since", "yesterday"], "is no moment"), ([], "Stripe did not answer")])
def test_what_the_command_cannot_do_it_says(app: Flask, campaign: Campaign, stripe: Stripe, arguments: list[str], words: str) -> None:
    faults.ask_for(stripe.store, kind="500", path="/v1/payment_intents", times=9)
    done = app.test_cli_runner().invoke(reconcile_command, arguments)
    assert done.exit_code != 0
    assert words in done.output + str(done.exception)


def test_the_schedule_reconciles_once_a_day(app: Flask, campaign: Campaign) -> None:
    for _ in range(2):
        sweeps.sweep_reconciliation()
    assert len(reconciliations.latest(limit=9)) == 1
    db.session.execute(text("UPDATE reconciliation SET began_at = now() - interval '25 hours'"))
    db.session.commit()
    sweeps.sweep_reconciliation()
    assert len(reconciliations.latest(limit=9)) == 2


@pytest.mark.parametrize("arguments", [[], ["--id", "EVENT"]])
def test_stored_events_handled_again_change_nothing(app: Flask, campaign: Campaign, stripe: Stripe, arguments: list[str]) -> None:
    donation = begun(campaign, 100_00)
    made = completed(donation)
    handle(made, event("customer.created", {"id": "cus_1", "object": "customer"}))
    before = db.session.execute(text("SELECT count(*) FROM ledger_entry")).scalar_one()
    done = app.test_cli_runner().invoke(replay_command, [made["id"] if one == "EVENT" else one for one in arguments])
    assert done.exit_code == 0, done.output
    assert f"{1 if arguments else 2} events were handled again." in done.output
    assert db.session.execute(text("SELECT count(*) FROM ledger_entry")).scalar_one() == before
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).donations == 1
    assert books.findings(db.engine) == []


def test_an_event_that_was_never_kept_is_not_handled_again(app: Flask) -> None:
    done = app.test_cli_runner().invoke(replay_command, ["--id", "evt_nobody"])
    assert done.exit_code == 2
    assert "There is no event evt_nobody" in done.output


# Webhooks that have gone silent.


def test_webhooks_are_silent_when_a_checkout_ended_and_nobody_told(app: Flask, campaign: Campaign) -> None:
    assert heartbeats.webhooks_silent() is None
    donation = begun(campaign, 100_00)
    db.session.execute(text("UPDATE donation SET checkout_id = 'cs_1', begun_at = now() - interval '1 hour'"))
    db.session.commit()
    assert heartbeats.webhooks_silent() is None, "it may still be paid"
    db.session.execute(text("UPDATE donation SET checkout_expires_at = now() - interval '11 minutes'"))
    db.session.commit()
    silence = heartbeats.webhooks_silent()
    assert silence and (silence.since, silence.checkouts) == (None, 1)
    assert "webhooks" in app.test_client().get("/readyz").json["degraded"]
    handle(completed(donation))
    assert heartbeats.webhooks_silent() is None


def test_what_the_poll_finds_breaks_no_silence(app: Flask, campaign: Campaign) -> None:
    donation = begun(campaign, 100_00)
    handle(completed(donation))
    db.session.execute(
        text(
            "UPDATE donation SET checkout_id = 'cs_1', begun_at = now() - interval '1 hour', checkout_expires_at = now() - interval '20 minutes'"
        )
    )
    db.session.execute(text("UPDATE stripe_event SET source = 'poll'"))
    db.session.commit()
    silence = heartbeats.webhooks_silent()
    assert silence and silence.checkouts == 1
