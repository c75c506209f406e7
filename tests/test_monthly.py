"""Gifts that are given month after month: each month a donation of its own, with its match and receipt, until the donor or the card stops."""

import pytest
from flask import Flask, g
from sqlalchemy import text

from campaign.edges.db import db
from campaign.giving import matches, monthly, reconciliations, stripe_events
from campaign.giving.campaigns import Campaign, CampaignTotals
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.giving.monthly import MonthlyGift
from campaign.reporting import books
from campaign.sandbox import clock, faults, subscriptions
from campaign.work import asking, catching_up, handling, owed, reconciling, refunding, sweeps
from tests.conftest import Post, Stripe
from tests.factories import body_of
from tests.test_dead_events import csrf_of
from tests.test_donate import send, sessions
from tests.test_events import handle, state
from tests.test_mail import make_due
from tests.test_sweep import pay_at_stripe

DAY = 24 * 3600


def began(app: Flask, stripe: Stripe, language: str = "en", **changed: object) -> Donation:
    """The first month, begun through the form and paid on Stripe's page; nobody has told us yet."""
    answer = send(app.test_client(), language, frequency="monthly", **changed)
    assert answer.status_code == 303, answer.text
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    pay_at_stripe(stripe, donation)
    return donation


def undecided() -> int:
    """Payments that nobody has decided on, those of a moment ago too."""
    return db.session.execute(text("SELECT count(*) FROM quarantined_payment WHERE decision IS NULL")).scalar_one()


def gift_of(donation: Donation) -> MonthlyGift:
    db.session.expire_all()
    gift = monthly.monthly_gift_of(donation)
    assert gift
    return gift


def months_pass(stripe: Stripe, months: int = 1) -> None:
    """The account's clock goes on, and what is due there is charged; then we hear of it."""
    for _ in range(months):
        clock.set_ahead(clock.now() - _now() + 31 * DAY)
        subscriptions.renew_due(stripe.account)
    sweeps.sweep_outside()
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    handling.handle_events()


def _now() -> int:
    return clock.now() - clock._ahead


def card(stripe: Stripe, number: str) -> None:
    made = stripe.store.newest("subscription", limit=1)[0]
    subscriptions.change(stripe.account, made, sandbox_card=number)


def given(gift: MonthlyGift) -> list[tuple[int, str, int]]:
    """Sum, state and match of each month, the first one first."""
    months = monthly.months_of(gift)[::-1]
    return [(m.amount_cents, state(m), matches.match_of(m.id).matched_cents) for m in months]


def mails(post: Post, since: int) -> list[tuple[str, str]]:
    new = list(post.box.newest(len(list(post.box.newest(1000))) - since)) if len(list(post.box.newest(1000))) > since else []
    return [(str(message["Subject"]), str(message.get_body(("plain",)).get_content())) for _, _, message, _ in reversed(new)]


def test_the_first_month_is_held_paid_and_matched_as_any_gift(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = began(app, stripe, cover_fee="y")
    session = sessions(stripe)[0]
    assert (session["mode"], session["metadata"], session["payment_intent"]) == ("subscription", {"donation": donation.public_id}, None)
    made = stripe.store.newest("subscription", limit=1)[0]
    assert made["metadata"] == {"donation": donation.public_id}
    assert matches.match_of(donation.id).held_cents == 100_00
    sweeps.sweep_outside()
    assert (state(donation), matches.match_of(donation.id).matched_cents) == ("paid", 100_00)
    gift = gift_of(donation)
    assert (gift.subscription, gift.amount_cents, gift.covered_fee_cents) == (made["id"], 100_00, donation.covered_fee_cents)
    assert donation.payment_intent and undecided() == 0
    assert books.findings(db.engine) == []


def test_a_year_with_two_failures_is_ten_more_gifts_matched_while_the_pledge_lasts(
    app: Flask, stripe: Stripe, campaign: Campaign, fund: Fund, post: Post
) -> None:
    donation = began(app, stripe, amount="6000")
    sweeps.sweep_outside()
    card(stripe, "4242424242424242")
    months_pass(stripe, 4)
    card(stripe, "4000000000000002")
    months_pass(stripe)
    assert gift_of(donation).status == "past_due"
    card(stripe, "4242424242424242")
    clock.set_ahead(clock.now() - _now() + 4 * DAY)
    subscriptions.renew_due(stripe.account)
    months_pass(stripe, 6)
    months = given(gift_of(donation))
    assert [cents for cents, _, _ in months] == [6000_00] * 12
    assert {s for _, s, _ in months} == {"paid"}
    assert [m for _, _, m in months] == [6000_00] * 8 + [2000_00] + [0] * 3
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).donors == 1
    owed_receipts = db.session.execute(text("SELECT count(*) FROM outbox WHERE kind = 'receipt'")).scalar_one()
    assert owed_receipts == 12
    assert undecided() == 0
    assert books.findings(db.engine) == []
    assert reconciling.reconcile(since=None, actor="test").ended_at
    assert books.findings(db.engine) == []


def test_any_order_and_any_doubling_of_all_events_ends_in_the_same_books(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = began(app, stripe)
    clock.set_ahead(65 * DAY)
    subscriptions.renew_due(stripe.account)
    everything = stripe.store.newest("event", limit=1000)
    for made in [*everything, *everything[::-1], *everything[::2]]:
        stripe_events.keep(stripe_events.read_event(body_of({**made, "id": f"{made['id']}_{len(outcomes_of())}"})), source="webhook")
        db.session.commit()
        handling.handle_events()
    assert given(gift_of(donation)) == [(100_00, "paid", 100_00)] * 3
    assert undecided() == 0
    assert stripe_events.dead_events() == 0
    assert books.findings(db.engine) == []


def outcomes_of() -> list[str]:
    return list(db.session.execute(text("SELECT event_id FROM stripe_event")).scalars())


def test_without_webhooks_asking_finds_the_first_month(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = began(app, stripe)
    asking.ask_stripe(donation)
    assert state(donation) == "paid"
    catching_up.read_stripe_events()
    handling.handle_events()
    assert given(gift_of(donation)) == [(100_00, "paid", 100_00)]
    assert books.findings(db.engine) == []


def test_months_that_nobody_told_of_are_brought_in_by_a_reconciliation(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = began(app, stripe)
    clock.set_ahead(32 * DAY)
    subscriptions.renew_due(stripe.account)
    run = reconciling.reconcile(since=None, actor="test")
    assert {finding.state for finding in reconciliations.findings_of(run)} == {"repaired"}
    assert given(gift_of(donation)) == [(100_00, "paid", 100_00)] * 2
    assert undecided() == 0
    assert reconciliations.findings_of(reconciling.reconcile(since=None, actor="test")) == []
    assert books.findings(db.engine) == []


def test_a_checkout_that_is_not_paid_frees_its_hold_and_begins_nothing(app: Flask, stripe: Stripe, fund: Fund) -> None:
    assert send(app.test_client(), "en", frequency="monthly").status_code == 303
    donation = db.session.query(Donation).one()
    stripe.account.expire(sessions(stripe)[0])
    sweeps.sweep_outside()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents, db.session.query(MonthlyGift).count()) == ("expired", 0, 0)


def test_a_refund_of_one_month_is_that_of_its_own_gift(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    months_pass(stripe)
    second = monthly.months_of(gift_of(donation))[0]
    refunding.refund(second, 40_00, actor="test", reason="asked for")
    assert given(gift_of(donation)) == [(100_00, "paid", 100_00), (100_00, "partially_refunded", 60_00)]
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(
    ("language", "failed", "stopped"),
    [
        ("en", "could not be charged to your card", "as your card could not be charged any more"),
        ("fr", "n’a pas pu être débité de votre carte", "car votre carte ne pouvait plus être débitée"),
    ],
)
def test_months_that_fail_are_told_kindly_and_in_the_end_that_it_has_ended(
    app: Flask, stripe: Stripe, fund: Fund, post: Post, language: str, failed: str, stopped: str
) -> None:
    donation = began(app, stripe, language)
    sweeps.sweep_outside()
    owed.send_owed()
    before = len(list(post.box.newest(1000)))
    card(stripe, "4000000000000002")
    months_pass(stripe)
    for _ in range(3):
        clock.set_ahead(clock.now() - _now() + 4 * DAY)
        subscriptions.renew_due(stripe.account)
    months_pass(stripe)
    gift = gift_of(donation)
    assert (gift.status, gift.is_over, gift.ended_because) == ("canceled", True, "payment_failed")
    make_due()
    owed.send_owed()
    told = mails(post, before)
    assert sum(failed in words for _, words in told) == 1, "four tries of one month are one mail"
    assert sum(stopped in words for _, words in told) == 1
    assert all(f"/{language}/monthly/{gift.token}" in words for _, words in told)
    assert given(gift) == [(100_00, "paid", 100_00)]


def test_a_month_that_was_paid_before_its_bad_news_went_out_is_not_told_of(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    owed.send_owed()
    before = len(list(post.box.newest(1000)))
    card(stripe, "4000000000000002")
    months_pass(stripe)
    card(stripe, "4242424242424242")
    clock.set_ahead(clock.now() - _now() + 4 * DAY)
    subscriptions.renew_due(stripe.account)
    sweeps.sweep_outside()
    make_due()
    owed.send_owed()
    assert [subject for subject, _ in mails(post, before) if "could not be charged" in subject] == []
    assert len(given(gift_of(donation))) == 2


# The donor's page.


def page_of(app: Flask, donation: Donation) -> tuple[object, str]:
    a_visitor_of_their_own()
    return app.test_client(), f"/en/monthly/{gift_of(donation).token}"


def a_visitor_of_their_own() -> None:
    """The tests' one context remembers the token of the browser before."""
    g.pop("csrf_token", None)


def test_the_page_shows_the_months_and_how_to_change_them(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    months_pass(stripe)
    client, address = page_of(app, donation)
    page = client.get(address).text
    for shown in ("You give $100.00 each month", "The next gift is on", "Stop now", "Change the card"):
        assert shown in page
    assert page.count("$100.00") >= 5
    own = client.get(f"/en/donations/{donation.token}").text
    assert address in own
    owed.send_owed()
    _, _, message, _ = next(iter(post.box.newest(1)))
    assert address in message.get_body(("plain",)).get_content()


def test_another_sum_is_given_from_the_next_month_on_with_its_fee(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = began(app, stripe, cover_fee="y")
    sweeps.sweep_outside()
    fee = donation.covered_fee_cents
    client, address = page_of(app, donation)
    answer = client.post(f"{address}/amount", data={"csrf_token": csrf_of(client.get(address)), "amount": "50"})
    assert answer.status_code == 303
    assert "From the next month on you give $50.00." in client.get(address).text
    months_pass(stripe)
    assert given(gift_of(donation)) == [(100_00, "paid", 100_00), (50_00, "paid", 50_00)]
    assert monthly.months_of(gift_of(donation))[0].covered_fee_cents == fee // 2
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(
    ("amount", "words"), [("a lot", "could not read this amount"), ("1", "choose a sum from"), ("99999", "choose a sum from")]
)
def test_a_sum_that_cannot_be_is_said_and_kept_in_the_field(app: Flask, stripe: Stripe, amount: str, words: str) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    client, address = page_of(app, donation)
    answer = client.post(f"{address}/amount", data={"csrf_token": csrf_of(client.get(address)), "amount": amount})
    page = client.get(answer.location).text
    assert words in page
    assert f'value="{amount}"' in page
    assert gift_of(donation).amount_cents == 100_00


def test_the_card_is_changed_at_stripe(app: Flask, stripe: Stripe) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    client, address = page_of(app, donation)
    answer = client.post(f"{address}/card", data={"csrf_token": csrf_of(client.get(address))})
    assert answer.status_code == 303
    assert answer.location.startswith(f"{stripe.url}/p/session/")
    assert stripe.store.newest("billing_portal.session", limit=1)[0]["return_url"].endswith(address)


def test_stopping_charges_nothing_more_and_is_confirmed_by_mail(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    owed.send_owed()
    before = len(list(post.box.newest(1000)))
    client, address = page_of(app, donation)
    token = csrf_of(client.get(address))
    for _ in range(2):
        client.post(f"{address}/end", data={"csrf_token": token})
    assert "It ended on" in client.get(address).text
    months_pass(stripe, 2)
    assert given(gift_of(donation)) == [(100_00, "paid", 100_00)]
    make_due()
    owed.send_owed()
    assert [words.count("as you wished") for _, words in mails(post, before)] == [1]


def test_with_stripe_away_nothing_is_changed_and_that_is_said(app: Flask, stripe: Stripe) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    client, address = page_of(app, donation)
    token = csrf_of(client.get(address))
    for act, data in (("amount", {"amount": "50"}), ("card", {}), ("end", {})):
        faults.ask_for(stripe.store, kind="500", path="/v1/(subscriptions|billing_portal)", times=2)
        answer = client.post(f"{address}/{act}", data={"csrf_token": token, **data})
        assert "Nothing was changed" in client.get(answer.location).text
        faults.forget(stripe.store)
    assert gift_of(donation).amount_cents == 100_00
    assert not gift_of(donation).is_over


def test_the_link_comes_by_mail_and_the_answer_tells_nobody_who_gives(app: Flask, stripe: Stripe, post: Post) -> None:
    donation = began(app, stripe)
    sweeps.sweep_outside()
    owed.send_owed()
    before = len(list(post.box.newest(1000)))
    a_visitor_of_their_own()
    client = app.test_client()
    token, said = csrf_of(client.get("/en/monthly")), []
    for email in (donation.email.upper(), "nobody@example.org", "", "x" * 400):
        answer = client.post("/en/monthly", data={"csrf_token": token, "email": email})
        said.append(client.get(answer.location).text.count("a mail with the link to it is on its way"))
    assert said == [1, 1, 1, 1]
    owed.send_owed()
    ((subject, words),) = mails(post, before)
    assert "The link to your monthly gift" in subject
    assert f"/en/monthly/{gift_of(donation).token}" in words


def test_a_page_that_is_nobodys_is_404(app: Flask) -> None:
    assert app.test_client().get("/en/monthly/nobody").status_code == 404
    assert app.test_client().get("/fr/monthly/nobody").status_code == 404


def test_what_each_month_means_is_said_before_paying(app: Flask, fund: Fund) -> None:
    assert "Each is matched in its turn" in app.test_client().get("/en/vision-sanaa-richard").text
    page = app.test_client().get("/fr/vision-sanaa-richard").text
    assert "Chaque mois est un don à part" in page


def test_a_month_of_nobody_we_know_is_kept_in_quarantine(app: Flask, stripe: Stripe) -> None:
    donation = began(app, stripe)
    made = stripe.store.newest("subscription", limit=1)[0]
    invoice = stripe.store.newest("invoice", limit=1)[0]
    invoice["parent"]["subscription_details"]["metadata"] = {"donation": "d_of_a_shop"}
    stripe.store.put(invoice)
    told = next(one for one in stripe.store.newest("event", limit=50) if one["type"] == "invoice.paid")
    handle(told)
    assert db.session.execute(text("SELECT why FROM quarantined_payment")).scalars().all() == ["unknown"]
    assert state(donation) == "pending"
    assert made
