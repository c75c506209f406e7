"""Holds are bounded in money: nobody who does not pay takes the match from those who do (policy.md, section 2a; I33)."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import debits
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.mail import notice_jobs
from campaign.matching import effects
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.outbox.messages import OutboxMessage
from campaign.payments import checkouts, hold_watch, settlement
from campaign.payments.checkouts import LessMatchAvailable
from campaign.reporting import staff_todo
from campaign.reporting.integrity import checker
from campaign.rules.allocation import Allocation
from campaign.rules.hold_bounds import FundBalance, HoldBounds, UnpaidHolds, holdable
from campaign.staff.audit import AuditEntry
from campaign.stripe_sync import poll_checkout_jobs
from campaign.web.networks import network_of
from tests.conftest import Stripe
from tests.factories import another_campaign, checkout_context, donation_details, end, paid, pay, start_donation
from tests.stripe import control, event, expired, handle, pay_at_stripe, stored_object
from tests.web import FORM, SLUG, csrf_of, hidden_fields, send, signed_in
from tools.hold_simulation import POLICIES, simulate

CENTS = st.integers(0, 60_000_00)
FUND = 1


def holder(**changed: Any) -> UnpaidHolds:
    values: dict[str, Any] = {"most_open": 10, "open_count": 0, "open_cents": {}, "period_cents": {}}
    return UnpaidHolds(**{**values, **changed})


# The rule.


@given(CENTS, CENTS, CENTS, CENTS, CENTS, CENTS, st.integers(0, 12), st.integers(0, 100))
def test_no_bound_is_ever_exceeded(
    pledged: int, matched: int, held: int, wanted: int, open_cents: int, period_cents: int, count: int, percent: int
) -> None:
    bounds = HoldBounds(share_percent=percent)
    balance = FundBalance(pledged_cents=pledged, matched_cents=min(matched, pledged), held_cents=min(held, max(0, pledged - matched)))
    one = holder(open_count=count, open_cents={FUND: open_cents}, period_cents={FUND: period_cents})
    cents = holdable(bounds, Allocation(fund_id=FUND, cents=wanted), balance, [one])
    limit = max(pledged // 10, 1000_00)
    assert 0 <= cents <= wanted
    if cents:
        assert count < 10
        assert (balance.held_cents + cents) * 100 <= (pledged - balance.matched_cents) * percent
        assert cents <= limit and open_cents + cents <= limit and period_cents + cents <= 2 * limit


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 25_000_00), st.booleans()), max_size=40))
def test_whoever_pays_finds_the_share_kept_for_payers(steps: list[tuple[str, int, bool]]) -> None:
    """However many unpaid checkouts there are, half of what was left at the last hold is there for the next payer."""
    pledged, matched, held = 50_000_00, 0, 0
    holders = {name: holder(most_open=1000) for name in "abc"}
    for name, wanted, is_payer in steps:
        if is_payer:
            matched += min(wanted, pledged - matched - held)
            continue
        balance = FundBalance(pledged_cents=pledged, matched_cents=matched, held_cents=held)
        part = Allocation(fund_id=FUND, cents=min(wanted, pledged - matched - held))
        cents = holdable(HoldBounds(), part, balance, [holders[name]])
        holders[name].add([Allocation(fund_id=FUND, cents=cents)] if cents else [])
        held += cents
        if cents:
            assert pledged - matched - held >= (pledged - matched) // 2
    assert all(one.open_cents.get(FUND, 0) <= 5000_00 for one in holders.values())


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_network_is_a_64_and_an_ipv4_one_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


# In the books.


def held_of(donations: list[Any]) -> list[int]:
    return [match_of(donation.id).held_cents for donation in donations if isinstance(donation, Donation)]


def test_one_email_and_one_network_hold_a_tenth_of_the_pledge_and_twice_that_in_two_hours(campaign: Campaign, fund: Fund) -> None:
    each: list[dict[str, Any]] = [{"email": "one@example.org"}, {"client_key": "one"}]
    for same in each:
        donations = [start_donation(campaign, 4000_00, **same) for _ in range(3)]
        assert held_of(donations) == [4000_00, 1000_00, 0]
        for donation in donations:
            end(donation, "expired")
        again = [start_donation(campaign, 4000_00, **same) for _ in range(3)]
        assert held_of(again) == [4000_00, 1000_00, 0]
        for donation in again:
            end(donation, "failed")
        assert held_of([start_donation(campaign, 4000_00, **same)]) == [0], "checkouts that ended unpaid count for two hours"
    assert checker.findings(db.engine) == []


def test_what_is_paid_no_longer_counts_as_held(campaign: Campaign, fund: Fund) -> None:
    for _ in range(4):
        donation = start_donation(campaign, 5000_00, expected=5000_00, email="one@example.org", client_key="one")
        pay(donation)
    db.session.refresh(fund)
    assert (fund.held_cents, fund.matched_cents) == (0, 20_000_00)


def test_the_same_email_in_another_campaign_has_bounds_of_its_own(campaign: Campaign) -> None:
    start_donation(campaign, 5000_00, expected=5000_00, email="one@example.org", client_key="one")
    other = another_campaign(50_000_00, like=campaign, bounds={"hold_share_percent": 50, "hold_checkout_percent": 10})
    assert held_of([start_donation(other, 5000_00, email="one@example.org", client_key="one")]) == [5000_00]


def test_what_a_bound_keeps_back_is_matched_when_it_is_paid(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 25_000_00, expected=5000_00)
    assert held_of([donation]) == [5000_00]
    pay(donation)
    assert match_of(donation.id).matched_cents == 25_000_00
    assert checker.findings(db.engine) == []


def test_what_a_bound_keeps_back_from_one_fund_is_not_held_from_the_next(campaign: Campaign) -> None:
    own = another_campaign(20_000_00, 20_000_00, like=campaign, bounds={"hold_share_percent": 50, "hold_checkout_percent": 10})
    donation = start_donation(own, 25_000_00)
    assert [part.cents for part in match_of(donation.id).held] == [2000_00, 2000_00]
    pay(donation)
    assert [part.cents for part in match_of(donation.id).matched] == [20_000_00, 5000_00]


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [("hold_share_percent", 0, "within_share"), ("hold_checkout_cents", 0, "within_checkout_limit")],
)
def test_the_database_refuses_a_hold_beyond_the_bounds(campaign: Campaign, fund: Fund, setting: str, value: int, rule: str) -> None:
    donation = start_donation(campaign, 60_000_00, expected=0)
    end(donation, "expired")
    fresh = checkouts.get_or_create_donation(campaign, donation_details(100_00), checkout_context())
    entry = Entry(
        kind=Move.HOLD,
        source="available",
        target="held",
        cents=100_00,
        campaign_id=campaign.id,
        fund_id=fund.id,
        donation_id=fresh.id,
        reference="hold",
        cause="test",
    )
    setattr(campaign, setting, value)
    campaign.hold_checkout_percent = 0
    db.session.flush()
    with pytest.raises(IntegrityError, match=rule), db.session.begin_nested():
        post_entries(entry)
    setattr(campaign, setting, {"hold_share_percent": 50, "hold_checkout_cents": 1000_00}[setting])
    db.session.flush()
    post_entries(replace(entry, reference="hold again"))


# The attack.


def attack(campaign: Campaign, attackers: int) -> list[int]:
    """As many unpaid checkouts of $25,000, each from another network and e-mail. Returns what each holds."""
    held = []
    for start in range(0, attackers, 100):
        requests = [
            (donation_details(25_000_00, email=f"attacker{n}@example.org"), checkout_context(client_key=f"attacker{n}"))
            for n in range(start, min(attackers, start + 100))
        ]
        held += held_of(checkouts.start_checkouts(campaign, requests))
        db.session.commit()
    return held


def give_honestly(campaign: Campaign, donors: int, cents: int) -> list[int]:
    """Gifts that are begun with what can be held, and paid. Returns what each is matched with at once."""
    matched = []
    for _ in range(donors):
        try:
            donation = start_donation(campaign, cents, expected=None)
        except LessMatchAvailable as less:
            db.session.rollback()
            donation = start_donation(campaign, cents, expected=less.held_cents)
        pay(donation)
        db.session.commit()
        matched.append(match_of(donation.id).matched_cents)
    return matched


def test_honest_donors_are_matched_in_full_beside_a_thousand_attackers(app: Flask, campaign: Campaign, fund: Fund) -> None:
    held = attack(campaign, 1000)
    assert sum(held) == 25_000_00, "no more than the share"
    assert give_honestly(campaign, 100, 100_00) == [100_00] * 100
    db.session.expire_all()
    page = app.test_client().get(f"/en/{SLUG}?amount=100").text
    assert "$40,000 of matching is left. $25,000 of it is on hold for gifts that are not paid yet." in page
    assert "all been used" not in page
    attack(campaign, 100)
    assert give_honestly(campaign, 100, 100_00) == [100_00] * 100, "renewing the holds changes nothing"
    assert hold_watch.percent_on_hold(campaign.id) <= 50
    assert checker.findings(db.engine) == []


def test_control_without_the_share_the_attack_takes_the_match_from_those_who_pay(campaign: Campaign, fund: Fund) -> None:
    campaign.hold_share_percent = campaign.hold_checkout_percent = 100
    db.session.flush()
    attack(campaign, 4)
    assert give_honestly(campaign, 2, 100_00) == [0, 0]


# What donors see.


@pytest.mark.parametrize(
    ("language", "held", "later"),
    [
        ("en", "$5,000 of matching is held for you now", "the other $1,000 is added when you pay, as long as matching is left"),
        ("fr", "un jumelage de 5\u00a0000\u00a0$ vous est réservé maintenant", "le reste, 1\u00a0000\u00a0$, s’ajoute quand vous payez"),
    ],
)
def test_a_large_gift_is_quoted_in_two_parts(client: FlaskClient, language: str, held: str, later: str) -> None:
    amount = "6000"
    page = client.get(f"/{language}/{SLUG}?amount={amount}").text
    quoted = client.get(f"/{language}/{SLUG}/quote?amount={amount}").json
    assert quoted and (quoted["match_cents"], quoted["later_cents"]) == (5000_00, 1000_00)
    for sentence in (page, quoted["quote"]):
        assert held in sentence and later in sentence
    without_promise = send(client, language, amount=amount)
    assert without_promise.status_code == 409
    assert held in without_promise.text and later in without_promise.text
    assert hidden_fields(without_promise)["expected_match"] == "500000"
    again = client.post(f"/{language}/{SLUG}/donations", data={**FORM, **hidden_fields(without_promise), "amount": amount})
    assert again.status_code == 303
    donation = db.session.query(Donation).one()
    shown = client.get(f"/{language}/donations/{donation.token}").text
    assert {"en": "The other $1,000 is added when your payment arrives", "fr": "Le reste, 1\u00a0000\u00a0$, s’ajoute à l’arrivée"}[
        language
    ] in shown
    data = client.get(f"/{language}/donations/{donation.token}.json").json
    assert data and data["held_cents"] == 5000_00


def test_a_promise_that_a_bound_makes_smaller_is_a_409_with_the_new_quote(client: FlaskClient, campaign: Campaign) -> None:
    assert send(client, "en", amount="5000", expected_match="500000").status_code == 303
    second = send(client, "en", amount="5000", expected_match="500000")
    assert second.status_code == 409
    assert "We can hold less of your match than you were shown" in second.text
    assert "$5,000 of matching is added when you pay, as long as matching is left." in second.text
    assert hidden_fields(second)["expected_match"] == "0"


def test_a_quote_knows_what_the_network_holds(client: FlaskClient, campaign: Campaign) -> None:
    """Many people give from one hospital: they are not shown what the form then takes back."""
    assert send(client, "en", amount="5000", expected_match="500000").status_code == 303
    quoted = client.get(f"/en/{SLUG}/quote?amount=250").json
    assert quoted and (quoted["match_cents"], quoted["later_cents"]) == (0, 250_00)
    assert send(client, "en", amount="250", email="other@example.org", expected_match="0").status_code == 303


# Bank debits.


def begin_debit(app: Flask, stripe: Stripe, *, is_verified: bool) -> Donation:
    with app.app_context():
        assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    session = stored_object(stripe, donation.checkout_id)
    with stripe.store.transaction():
        debits.begin_debit(stripe.account, session, name="Donor", email=None, is_verified=is_verified)
    return donation


def deliver(stripe: Stripe, *kinds: str) -> None:
    listed = {event["type"]: event for event in reversed(stripe.store.newest("event", limit=100))}
    for kind in kinds:
        handle(listed[kind])


@pytest.mark.parametrize("by_poll", [False, True])
def test_a_debit_holds_nothing_until_it_is_verified(app: Flask, client: FlaskClient, stripe: Stripe, fund: Fund, by_poll: bool) -> None:
    donation = begin_debit(app, stripe, is_verified=False)
    assert match_of(donation.id).held_cents == 100_00
    poll_checkout_jobs.poll_checkout(donation) if by_poll else deliver(stripe, "checkout.session.completed")
    db.session.expire_all()
    assert (match_of(donation.id).held_cents, fund.held_cents) == (0, 0)
    page = client.get(f"/en/donations/{donation.token}").text
    assert "Matching is held for you once your bank account is verified, not before." in page
    assert "$100 of matching is added when your payment arrives, as long as matching is left." in page
    assert "Two small deposits will reach your account" in page
    assert checker.findings(db.engine) == []
    control(stripe, f"debits/{donation.checkout_id}", outcome="verified")
    poll_checkout_jobs.poll_checkout(donation) if by_poll else deliver(stripe, "payment_intent.processing")
    db.session.expire_all()
    assert match_of(donation.id).held_cents == 100_00
    control(stripe, f"debits/{donation.checkout_id}", outcome="succeeded")
    poll_checkout_jobs.poll_checkout(donation) if by_poll else deliver(stripe, "payment_intent.succeeded")
    db.session.expire_all()
    assert match_of(donation.id).matched_cents == 100_00
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(
    "order",
    [
        ("checkout.session.completed", "payment_intent.processing"),
        ("payment_intent.processing", "checkout.session.completed"),
        ("checkout.session.completed",),
    ],
)
def test_a_verified_debit_keeps_what_was_promised(app: Flask, stripe: Stripe, fund: Fund, order: tuple[str, ...]) -> None:
    donation = begin_debit(app, stripe, is_verified=True)
    deliver(stripe, *order)
    db.session.expire_all()
    assert (match_of(donation.id).held_cents, fund.held_cents) == (100_00, 100_00)
    assert db.session.scalar(text("SELECT count(*) FROM ledger_entry WHERE kind = 'release'")) == 0


def test_a_late_report_of_the_checkout_does_not_release_a_verified_debit(app: Flask, stripe: Stripe) -> None:
    donation = begin_debit(app, stripe, is_verified=False)
    control(stripe, f"debits/{donation.checkout_id}", outcome="verified")
    deliver(stripe, "payment_intent.processing", "checkout.session.completed")
    db.session.expire_all()
    assert match_of(donation.id).held_cents == 100_00


def record_unverified(*donations: Donation) -> None:
    for donation in donations:
        effects.decide_and_apply(donation, partial(settlement.record_unverified, donation, cause="test"))
    db.session.commit()


def processing(donation: Donation) -> dict[str, Any]:
    return event(
        "payment_intent.processing", {"id": f"pi_{donation.id}", "object": "payment_intent", "metadata": {"donation": donation.public_id}}
    )


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_debits_that_are_verified_together_are_bounded_together(campaign: Campaign, fund: Fund, is_one_batch: bool) -> None:
    campaign.hold_period_factor = 9
    donations = [start_donation(campaign, 5000_00, email="one@example.org", client_key="one") for _ in range(4)]
    record_unverified(*donations)
    assert held_of(donations) == [0, 0, 0, 0]
    events = [processing(donation) for donation in donations]
    for batch in [events] if is_one_batch else [[one] for one in events]:
        handle(*batch)
    assert held_of(donations) == [5000_00, 0, 0, 0]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_what_ends_in_the_same_batch_no_longer_counts(campaign: Campaign, fund: Fund, is_one_batch: bool) -> None:
    first = start_donation(campaign, 5000_00, email="one@example.org")
    second = start_donation(campaign, 5000_00, email="one@example.org")
    record_unverified(second)
    events = [expired(first), processing(second)]
    for batch in [events] if is_one_batch else [[one] for one in events]:
        handle(*batch)
    assert held_of([first, second]) == [0, 5000_00]


@pytest.mark.parametrize("change", ["holds_match", "no fund"])
def test_an_unverified_debit_is_promised_no_hold_where_there_is_none(app: Flask, campaign: Campaign, change: str) -> None:
    own = another_campaign(*([] if change == "no fund" else [50_000_00]), like=campaign)
    own.holds_match = change != "holds_match"
    donation = start_donation(own, 100_00)
    record_unverified(donation)
    assert "Matching is held for you" not in app.test_client().get(f"/en/donations/{donation.token}").text


def test_the_page_of_an_unpaid_gift_knows_the_cap_of_its_donor(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(50_000_00, like=campaign, per_donor_cents=1000_00)
    paid(own, 900_00, email="one@example.org")
    donation = start_donation(own, 500_00, email="one@example.org")
    page = app.test_client().get(f"/en/donations/{donation.token}").text
    assert "$100 of matching is held for you while you pay." in page
    assert "is added when your payment arrives" not in page


# What staff see.


def test_staff_get_a_notice_of_much_on_hold_and_of_busy_networks(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in(app, "manager", address="manager@example.org")
    for n in range(5):
        start_donation(campaign, 5000_00, expected=5000_00, email=f"a{n}@example.org", client_key=f"n{n}")
    db.session.commit()
    assert staff_todo.todo_of(campaign).counted == {}, "for ten minutes it may be a coincidence"
    assert hold_watch.percent_on_hold(campaign.id) == 0
    ago = text(str(hold_watch._PERCENT).replace("interval '10 minutes'", "interval '0 minutes'"))
    monkeypatch.setattr(hold_watch, "_PERCENT", ago)
    todo = staff_todo.todo_of(campaign)
    assert (todo.counted, todo.is_urgent) == ({"percent_on_hold": 50}, True)
    for n in range(6):
        start_donation(campaign, 5_00, email=f"b{n}@example.org", client_key="office")
    assert staff_todo.todo_of(campaign).counted == {"percent_on_hold": 50, "busy_networks": 6}
    assert notice_jobs.enqueue_notices() == 1
    assert notice_jobs.enqueue_notices() == 1
    assert db.session.query(OutboxMessage).filter_by(kind="staff_todo").count() == 1, "once a day"
    client = signed_in(app, "viewer", address="viewer@example.org")
    page = client.get("/staff/").text
    assert "50% of what a fund has left has been on hold for ten minutes or more" in page
    assert "One network has begun 6 checkouts within an hour that are not paid." in page


def test_a_gift_that_is_paid_within_the_hour_is_not_counted_against_its_network(campaign: Campaign) -> None:
    donations = [start_donation(campaign, 5_00, client_key="office") for _ in range(8)]
    assert [network.checkouts for network in hold_watch.list_busy_networks(campaign.id)] == [8]
    for donation in donations[:3]:
        pay(donation)
    assert hold_watch.list_busy_networks(campaign.id) == []


def test_the_part_on_hold_is_the_least_of_the_last_ten_minutes(campaign: Campaign, fund: Fund) -> None:
    """What is on hold now and was not a minute ago is not reported."""
    first = start_donation(campaign, 5000_00, expected=5000_00)
    db.session.commit()
    assert hold_watch.percent_on_hold(campaign.id) == 0
    end(first, "expired")
    db.session.commit()
    assert hold_watch.percent_on_hold(campaign.id) == 0


def test_staff_see_what_is_on_hold_by_whom_and_end_a_checkout(app: Flask, stripe: Stripe, fund: Fund) -> None:
    with app.app_context():
        assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    with app.app_context():  # A user and a form token of their own.
        viewer = signed_in(app, "viewer", address="viewer@example.org")
        page = viewer.get("/staff/holds").text
        for words in (donation.public_id, donation.email, str(escape(donation.full_name)), "$100.00 on hold of $50,000.00", "at most 50%"):
            assert words in page
        assert "End checkout" not in page
        assert viewer.post(f"/staff/holds/{donation.public_id}/end").status_code in {400, 403}
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    form = {"csrf_token": csrf_of(clerk.get("/staff/holds"))}
    assert clerk.post("/staff/holds/d_unknown/end", data=form).status_code == 404
    clerk.post(f"/staff/holds/{donation.public_id}/end", data=form)
    db.session.expire_all()
    assert "The checkout is closed, and what it held is free." in clerk.get("/staff/holds").text
    assert stored_object(stripe, donation.checkout_id)["status"] == "expired"
    assert (match_of(donation.id).held_cents, fund.held_cents) == (0, 0)
    assert "We closed this payment page. Nothing has been charged." in clerk.get(f"/en/donations/{donation.token}").text
    shown = clerk.get(f"/staff/donations/{donation.public_id}").text
    assert "The charity closed the payment page." in shown and "clerk@example.org" in shown
    (entry,) = db.session.query(AuditEntry).filter_by(action="checkout ended")
    assert (entry.actor, entry.subject) == ("clerk@example.org", donation.public_id)
    assert "Nothing is on hold now." in clerk.get("/staff/holds").text
    clerk.post(f"/staff/holds/{donation.public_id}/end", data=form)
    assert "This gift has ended or was paid meanwhile." in clerk.get("/staff/holds").text


def test_a_checkout_that_was_paid_meanwhile_is_not_ended(app: Flask, stripe: Stripe) -> None:
    with app.app_context():
        assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).one()
    pay_at_stripe(stripe, donation)
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    clerk.post(f"/staff/holds/{donation.public_id}/end", data={"csrf_token": csrf_of(clerk.get("/staff/holds"))})
    assert "This gift has ended or was paid meanwhile." in clerk.get("/staff/holds").text
    db.session.expire_all()
    assert match_of(donation.id).matched_cents == 100_00


def test_a_debit_under_way_cannot_be_ended(app: Flask, stripe: Stripe) -> None:
    donation = begin_debit(app, stripe, is_verified=True)
    deliver(stripe, "payment_intent.processing")
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    page = clerk.get("/staff/holds")
    assert "Bank debit under way" in page.text
    clerk.post(f"/staff/holds/{donation.public_id}/end", data={"csrf_token": csrf_of(page)})
    assert "its payment is under way at the donor’s bank" in clerk.get("/staff/holds").text
    db.session.expire_all()
    assert match_of(donation.id).held_cents == 100_00


# What each policy costs.


@pytest.mark.parametrize(("policy", "in_full"), [("as campaigns begin", 200), ("no bound", 0), ("a tenth for each checkout, no share", 0)])
def test_the_simulation_shows_what_each_policy_costs_honest_donors(policy: str, in_full: int) -> None:
    outcome = simulate(POLICIES[policy], attackers=1000, donors=200, seed=1)
    assert (outcome.gifts, outcome.in_full) == (200, in_full)
    assert (outcome.matched == outcome.given) is (in_full == 200)
