"""During card testing each checkout takes a proof of work or a mailed code: by HTTP without a browser, and in a real browser."""

import itertools
import re
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page
from sqlalchemy import text
from werkzeug.test import TestResponse

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail.send_jobs import send_due
from campaign.outbox import checkout_codes
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import card_testing_actions, checkout_bounds
from campaign.rules.proof_of_work import is_proof
from campaign.web.public import batching, human_check
from campaign.web.security import limiter
from tests.browser import chromium_path, fill_in, open_browser, serve
from tests.conftest import Post, Stripe
from tests.factories import pay
from tests.scale import examples
from tests.web import FORM, SLUG, hidden_fields, send

PAGE = f"/en/{SLUG}"
FEW_BITS = 6
CODE = re.compile(r"^(\d{6})$", re.MULTILINE)
_numbers = itertools.count(1)
MOMENT = "Checking that you are a person. One moment…"


@pytest.fixture(autouse=True)
def nothing_is_cached_and_proofs_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "CACHE_SECONDS", -1)
    monkeypatch.setattr(human_check, "PROOF_BITS", FEW_BITS)


@pytest.fixture
def guard(app: Flask) -> None:
    card_testing_actions.begin_guard("manager@example.org")


def proof_for(attempt: str, bits: int = FEW_BITS) -> str:
    return next(str(n) for n in itertools.count() if is_proof(attempt, str(n), bits=bits))


def wrong_proof_for(attempt: str) -> str:
    return next(str(n) for n in itertools.count() if not is_proof(attempt, str(n), bits=FEW_BITS))


def begin(client: FlaskClient, fields: dict[str, str], **changed: Any) -> TestResponse:
    return client.post(f"{PAGE}/donations", data={**FORM, "expected_match": "0", **fields, **changed})


def form_of(client: FlaskClient) -> dict[str, str]:
    return {**hidden_fields(client.get(PAGE)), "expected_match": "0"}


def begin_with_proof(client: FlaskClient, **changed: Any) -> TestResponse:
    fields = form_of(client)
    return begin(client, fields, proof=proof_for(fields["attempt"]), **changed)


def mailed_codes() -> list[str]:
    """All codes that were mailed, oldest first."""
    db.session.rollback()
    send_due()
    mails = db.session.query(FrozenEmail).join(OutboxMessage, OutboxMessage.id == FrozenEmail.outbox_id)
    sent = mails.filter(OutboxMessage.kind == MessageKind.CHECKOUT_CODE).order_by(OutboxMessage.id)
    return [code for email in sent for code in CODE.findall(email.plain)]


def count_donations() -> int:
    db.session.rollback()
    return db.session.query(Donation).count()


@settings(max_examples=examples(20))
@given(bits=st.integers(0, 10), challenge=st.text(max_size=80), counter=st.integers(0, 10_000))
def test_a_proof_is_a_counter_whose_hash_begins_with_so_many_zero_bits(bits: int, challenge: str, counter: int) -> None:
    hashed = sha256(f"{challenge}:{counter}".encode("utf-8", "replace")).digest()
    zeros = "".join(f"{byte:08b}" for byte in hashed).index("1")
    assert is_proof(challenge, str(counter), bits=bits) is (zeros >= bits)


@pytest.mark.parametrize("counter", ["", "-1", "+1", " 1", "01", "1.0", "1e3", "١", "1" * 17, "follows", "\ud800"])
def test_only_a_number_written_in_one_way_is_a_proof(counter: str) -> None:
    assert not is_proof("a", counter, bits=0)
    assert is_proof("a", "1", bits=0), "control"


def test_property_without_proof_or_code_no_checkout_begins_while_the_guard_is_on(app: Flask, stripe: Stripe, guard: None) -> None:
    client = app.test_client()
    fields, other = form_of(client), form_of(client)
    tries: list[dict[str, str]] = [
        {},
        {"proof": ""},
        {"proof": human_check.FOLLOWS},
        {"proof": "1" * 400},
        {"proof": wrong_proof_for(fields["attempt"])},
        {"proof": proof_for(fields["attempt"][:-1])},
        {
            "proof": next(
                str(n)
                for n in itertools.count()
                if is_proof(other["attempt"], str(n), bits=FEW_BITS) and not is_proof(fields["attempt"], str(n), bits=FEW_BITS)
            )
        },
        {"code": "123456"},
        {"code": "\ud800"},
        {"frequency": "monthly"},
        {"frequency": "monthly", "proof": human_check.FOLLOWS},
    ]
    assert {
        begin(client, fields, **{k: v.encode("utf-8", "surrogatepass") for k, v in changed.items()}).status_code for changed in tries
    } == {422}
    assert count_donations() == 0
    assert stripe.store.newest("checkout.session", limit=10) == []
    card_testing_actions.end_guard("manager@example.org")
    assert begin(client, fields).status_code == 303, "control: with the guard off it begins"


def test_a_proof_begins_one_checkout_and_the_same_attempt_again_asks_nothing(app: Flask, stripe: Stripe, guard: None) -> None:
    client = app.test_client()
    fields = form_of(client)
    first = begin(client, fields, proof=proof_for(fields["attempt"]))
    again = begin(client, fields)
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["Location"] == again.headers["Location"]
    assert count_donations() == 1


def test_a_form_that_was_open_before_keeps_what_was_typed_and_its_script_goes_on(app: Flask, stripe: Stripe, guard: None) -> None:
    answer = begin(app.test_client(), form_of(app.test_client()), proof=human_check.FOLLOWS, message="For my aunt")
    assert answer.status_code == 422
    assert MOMENT in answer.text
    assert 'data-resumes="yes"' in answer.text
    assert "For my aunt" in answer.text
    assert mailed_codes() == []


def test_a_proof_stays_in_the_form_when_something_else_must_be_changed(app: Flask, stripe: Stripe, guard: None) -> None:
    client = app.test_client()
    fields = form_of(client)
    proof = proof_for(fields["attempt"])
    answer = begin(client, fields, proof=proof, city="")
    assert answer.status_code == 422
    assert f'name="proof" value="{proof}"' in answer.text
    assert 'name="proof" value=""' in begin(client, fields, proof=wrong_proof_for(fields["attempt"]), city="").text


@pytest.mark.parametrize("language", ["en", "fr"])
def test_without_scripts_a_code_is_mailed_and_the_same_form_goes_on(
    app: Flask, stripe: Stripe, post: Post, guard: None, language: str
) -> None:
    client = app.test_client()
    asked = send(client, language, message="Pour ma tante", frequency="monthly")
    assert asked.status_code == 422
    assert "Pour ma tante" in asked.text
    assert 'inputmode="numeric"' in asked.text
    assert 'autocomplete="one-time-code"' in asked.text
    (code,) = mailed_codes()
    assert code not in asked.text
    typed = {**FORM, **hidden_fields(asked), "message": "Pour ma tante", "frequency": "monthly", "code": f" {code[:3]} {code[3:]} "}
    assert client.post(f"/{language}/{SLUG}/donations", data=typed).status_code == 303
    mail = db.session.execute(text("SELECT language, recipient FROM frozen_email")).one()
    assert tuple(mail) == (language, FORM["email"])


def test_pressing_the_button_without_the_code_mails_no_second_one(app: Flask, stripe: Stripe, post: Post, guard: None) -> None:
    client = app.test_client()
    fields = form_of(client)
    begin(client, fields)
    assert "Please enter the code that we emailed to you." in begin(client, fields).text
    assert len(mailed_codes()) == 1
    begin(client, fields, new_code="y")
    first, second = mailed_codes()
    assert "This code is not right." in begin(client, fields, code=first).text
    assert begin(client, fields, code=second).status_code == 303


def test_a_code_counts_for_its_form_and_address_alone(app: Flask, stripe: Stripe, post: Post, guard: None) -> None:
    client = app.test_client()
    fields, other = form_of(client), form_of(client)
    begin(client, fields)
    (code,) = mailed_codes()
    for answer in (begin(client, other, code=code), begin(client, fields, code=code, email="another@example.org")):
        assert answer.status_code == 422
        assert "We have emailed a six-digit code" in answer.text
    assert count_donations() == 0
    assert begin(client, fields, code=code, email=FORM["email"].upper()).status_code == 303


def test_a_code_that_is_too_old_is_replaced(app: Flask, stripe: Stripe, post: Post, guard: None) -> None:
    client = app.test_client()
    fields = form_of(client)
    begin(client, fields)
    (code,) = mailed_codes()
    db.session.execute(text("UPDATE checkout_code SET created_at = created_at - interval '15 minutes 1 second'"))
    db.session.commit()
    assert "The code is older than 15 minutes." in begin(client, fields, code=code).text
    assert len(mailed_codes()) == 2


def test_after_too_many_wrong_guesses_the_right_code_no_longer_counts(app: Flask, stripe: Stripe, post: Post, guard: None) -> None:
    client = app.test_client()
    fields = form_of(client)
    begin(client, fields)
    (code,) = mailed_codes()
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(checkout_codes.MAX_WRONG - 1):
        assert "This code is not right." in begin(client, fields, code=wrong).text
    assert "Too many codes were wrong" in begin(client, fields, code=wrong).text
    assert begin(client, fields, code=code).status_code == 422
    assert count_donations() == 0


@pytest.mark.parametrize(
    ("bound", "changed"),
    [
        ("PER_ATTEMPT", lambda _: {}),
        ("PER_EMAIL", form_of),
        ("PER_NETWORK", lambda client: {**form_of(client), "email": f"donor{next(_numbers)}@example.org"}),
        ("OVERALL", lambda client: {**form_of(client), "email": f"donor{next(_numbers)}@example.org"}),
    ],
    ids=["for one form", "to one address", "from one network", "in all"],
)
def test_codes_within_an_hour_are_bounded(
    app: Flask, stripe: Stripe, guard: None, bound: str, changed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 3
    for name in ("PER_ATTEMPT", "PER_EMAIL", "PER_NETWORK", "OVERALL"):
        monkeypatch.setattr(checkout_codes, name, most if name == bound else 100)
    client = app.test_client()
    fields = form_of(client)
    answers = [begin(client, {**fields, **changed(client)}, new_code="y") for _ in range(most + 1)]
    assert [answer.status_code for answer in answers] == [422] * most + [429]
    assert "Too many codes were requested in the past hour" in answers[-1].text
    assert answers[-1].headers["Retry-After"] == "3600"


@pytest.mark.parametrize(("most", "whose"), [(checkout_bounds.PER_EMAIL, "under one email address"), (3, "from one network")])
def test_checkouts_within_an_hour_are_bounded_and_the_reason_is_said(
    app: Flask, stripe: Stripe, guard: None, most: int, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout_bounds, "PER_NETWORK_WITH_PROOF", most if "network" in whose else 100)
    client = app.test_client()
    emails = itertools.repeat(FORM["email"]) if "email" in whose else (f"donor{n}@example.org" for n in itertools.count())
    answers = [begin_with_proof(client, email=next(emails)) for _ in range(most + 1)]
    assert [answer.status_code for answer in answers] == [303] * most + [429]
    assert f"at most {most} unpaid gifts may be started within an hour {whose}" in re.sub(r"\s+", " ", answers[-1].text)
    assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3600
    pay(db.session.query(Donation).order_by(Donation.id).first() or pytest.fail("none was begun"))
    db.session.commit()
    assert begin_with_proof(client, email=next(emails)).status_code == 303, "one that is paid does not count"


def test_checkouts_that_are_posted_at_the_same_time_are_bounded_too(
    app: Flask, stripe: Stripe, guard: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is counted before the others are in the books."""
    limiter._storage_dead = False
    monkeypatch.setattr(checkout_bounds, "PER_NETWORK_WITH_PROOF", 2)
    monkeypatch.setattr(checkout_bounds, "wait_for", lambda **_: None)
    statuses = [begin_with_proof(app.test_client(), email=f"donor{next(_numbers)}@example.org").status_code for _ in range(5)]
    assert statuses == [303] * (human_check.AT_ONCE * 2) + [429]


def test_control_outside_of_card_testing_the_same_checkouts_begin(app: Flask, stripe: Stripe) -> None:
    client = app.test_client()
    assert {begin(client, form_of(client)).status_code for _ in range(checkout_bounds.PER_EMAIL + 1)} == {303}


# In a browser.


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with serve(app) as url:
        yield url


@pytest.fixture
def tab() -> Iterator[Page]:
    with open_browser() as browser:
        yield browser.new_page()


def fill(tab: Page) -> None:
    for name, value in FORM.items():
        if name not in {"frequency", "country"}:
            fill_in(tab.locator(f"[name={name}]"), value)


def press(tab: Page) -> None:
    tab.get_by_role("button", name="Give $100").click()


@pytest.mark.browser
@pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")
def test_in_a_browser_the_donor_presses_once_and_without_the_script_writes_a_code(
    app: Flask, stripe: Stripe, post: Post, address: str, tab: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(human_check, "PROOF_BITS", 14)
    at_stripe = partial(tab.wait_for_url, f"{stripe.url}/c/pay/*")
    # A form that was opened before the guard began.
    tab.goto(f"{address}{PAGE}")
    fill(tab)
    card_testing_actions.begin_guard("manager@example.org")
    press(tab)
    at_stripe()
    # A form that was opened while it is on.
    tab.goto(f"{address}{PAGE}")
    fill(tab)
    press(tab)
    at_stripe()
    assert count_donations() == 2
    # A browser where the worker does not run.
    tab.route("**/proof.js*", lambda route: route.abort())
    tab.goto(f"{address}{PAGE}")
    fill(tab)
    press(tab)
    field = tab.get_by_label("Code from the email")
    field.wait_for()
    tab.locator("[role=alert]:focus").wait_for()
    found = Axe().run(tab)
    assert [violation["id"] for violation in found.response["violations"]] == []
    field.fill(mailed_codes()[-1])
    press(tab)
    at_stripe()
    assert count_donations() == 3
