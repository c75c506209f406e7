"""Each refusal and each status has one cause, and says the true one, on the page, in the API and to a screen reader."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeRefused
from campaign.edges.stripe.payments import StripePayments
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import FreedBy, match_of
from campaign.matching.rematching import PendingRematch
from campaign.recurring.instalments import CONTACT_FIELDS
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.texts.catalogue import translator
from campaign.web.languages import url_in
from tests.conftest import Stripe
from tests.factories import another_campaign, paid, pay, start_donation
from tests.web import FORM, SLUG, hidden_fields, open_page, send, signed_in


def notice_of(page: TestResponse) -> str:
    found = re.search(r'<div class="notice.*?</div>', page.text, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", found[0]))


def use_up(fund: Fund) -> None:
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    paid(campaign, fund.available_cents)


def leave_a_rematch(fund: Fund) -> None:
    db.session.add(PendingRematch(campaign_id=fund.campaign_id, cause=FreedBy.REFUND.cause))


BECOMES: dict[str, tuple[Callable[[Fund], object], str]] = {
    "used up": (use_up, "Others gave while you were filling in the form."),
    "paused": (lambda fund: fund_lifecycle.pause(fund, actor="a", reason="r"), "The matching was paused while you were filling in the form."),
    "ended": (lambda fund: fund_lifecycle.end(fund, actor="a", reason="r"), "The matching ended while you were filling in the form."),
    "rematching": (leave_a_rematch, "Matching that becomes available goes to earlier gifts first."),
}  # fmt: skip


@pytest.mark.parametrize("state", BECOMES)
def test_why_less_is_matched_than_the_donor_was_shown_is_said_as_it_is(client: FlaskClient, campaign: Campaign, state: str) -> None:
    own = another_campaign(200_00, like=campaign)
    db.session.commit()
    fields = hidden_fields(client.get(f"/en/{own.slug}?amount=100"))
    assert fields["expected_match"] == "10000"
    change, reason = BECOMES[state]
    change(funds_of(own.id)[0])
    db.session.commit()
    answer = client.post(f"/en/{own.slug}/donations", data={**FORM, **fields})
    assert answer.status_code == 409
    assert reason in notice_of(answer)
    others = {sentence for _, sentence in BECOMES.values()} - {reason}
    assert [sentence for sentence in others if sentence in answer.text] == []
    assert client.post(f"/en/{own.slug}/donations", data={**FORM, **hidden_fields(answer)}).status_code == 303


def test_a_form_that_was_used_says_what_became_of_its_gift(client: FlaskClient, stripe: Stripe) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    client.post(f"/en/{SLUG}/donations", data=fields)
    donation = db.session.query(Donation).one()
    changed = {**fields, "amount": "250"}
    assert "A gift of $100 is already under way" in notice_of(client.post(f"/en/{SLUG}/donations", data=changed))
    pay(donation)
    db.session.commit()
    answer = client.post(f"/en/{SLUG}/donations", data=changed)
    assert "This form was already used for a gift of $100" in notice_of(answer)
    assert "under way" not in notice_of(answer)
    assert client.post(f"/en/{SLUG}/donations", data={**changed, **hidden_fields(answer)}).status_code == 303


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("customer_email", "Stripe did not accept your email address"),
        ("expires_at", "This is not because of anything you entered"),
        ("", "This is not because"),
    ],
)
def test_what_stripe_refused_is_the_donors_to_change_only_if_it_is_the_address(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, parameter: str, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise StripeRefused("400: no", code="parameter_invalid", parameter=parameter)

    monkeypatch.setattr(StripePayments, "open_checkout", refuse)
    answer = send(client, "en")
    assert answer.status_code == 422
    assert said in notice_of(answer)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_without_cookies_a_gift_begins_at_the_first_try(app: Flask, stripe: Stripe, language: str) -> None:
    page = app.test_client(use_cookies=False).get(f"/{language}/{SLUG}")
    answer = app.test_client(use_cookies=False).post(f"/{language}/{SLUG}/donations", data={**FORM, **hidden_fields(page)})
    assert answer.status_code == 303
    assert db.session.query(Donation).one().is_open


def test_where_cookies_are_needed_the_page_says_so_and_not_that_time_passed(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    db.session.commit()
    path = f"/en/donations/{donation.token}/mails"
    answer = app.test_client(use_cookies=False).post(path, data={"csrf_token": "any"})
    assert (answer.status_code, "Cookies are needed here" in answer.text) == (400, True)
    client = app.test_client()
    with client.session_transaction() as session:
        session["language"] = "en"
    assert "open for a long time" in client.post(path, data={"csrf_token": "old"}).text


PROVINCES = {
    "QC": ("Québec", "quebec", "QC", "PQ", "P.Q.", "Qué.", "Que"),
    "ON": ("Ontario", "Ont.", "ont", "on"),
    "PE": ("PEI", "P.E.I.", "Prince Edward Island", "Île-du-Prince-Édouard", "Î.-P.-É."),
    "NL": ("Newfoundland", "Nfld", "Terre-Neuve", "Labrador", "T.-N.-L."),
    "BC": ("B.C.", "C.-B.", "British Columbia", "Colombie-Britannique"),
    "NS": ("N.S.", "N.-É.", "Nova Scotia"),
    "NB": ("N.B.", "N.-B."),
    "NT": ("NWT", "NT", "T.N.-O."),
    "NU": ("NU", "Nunavut"),
    "YT": ("Yukon", "YT"),
    "AB": ("Alta.", "Alberta"),
    "SK": ("Sask.", "SK"),
    "MB": ("Man.", "Manitoba"),
}
POSTAL_CODES = {
    "QC": "H2X 1Y4",
    "ON": "M1L 2S9",
    "PE": "C1A 4P3",
    "NL": "A1C 5M2",
    "BC": "V6B 1A1",
    "NS": "B3H 1A1",
    "NB": "E1C 1A1",
    "NT": "X1A 1A1",
    "NU": "X0A 0H0",
    "YT": "Y1A 1A1",
    "AB": "T5J 0N3",
    "SK": "S4P 3Y2",
    "MB": "R3C 0A1",
}


@pytest.mark.parametrize("province", PROVINCES)
def test_a_province_is_known_by_each_of_its_names(client: FlaskClient, province: str) -> None:
    for spelling in PROVINCES[province]:
        assert send(client, "en", province=spelling, postal_code=POSTAL_CODES[province]).status_code == 303
    assert {d.province for d in db.session.query(Donation)} == {province}


@pytest.mark.parametrize("typed", ["m1l-2s9", "M1L2S9", "m1l 2s9", " M1L – 2S9 ", "M1L.2S9", "M1L  2S9"])
def test_a_postal_code_is_known_however_its_halves_are_parted(client: FlaskClient, typed: str) -> None:
    assert send(client, "en", province="ON", postal_code=typed).status_code == 303
    assert db.session.query(Donation).one().postal_code == "M1L 2S9"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("H2X-1Y4", "does not go with the province"),
        ("H2X-1YY", "look like a postal code"),
        ("D1A 1A1", "look like a postal code"),
        ("G1R 4O9", "look like a postal code"),
        ("90210", "look like a postal code"),
    ],
)
def test_a_refused_postal_code_says_whether_its_form_or_its_province_is_wrong(client: FlaskClient, typed: str, said: str) -> None:
    answer = send(client, "en", province="ON", postal_code=typed)
    assert answer.status_code == 422
    assert said in notice_of(answer)


def test_a_probable_misspelling_of_an_address_is_asked_about_once(client: FlaskClient) -> None:
    asked = send(client, "en", email="jane@gmail.con")
    assert asked.status_code == 422
    assert "Did you mean jane@gmail.com?" in notice_of(asked)
    fields = {**FORM, **hidden_fields(asked), "email": "jane@gmail.con"}
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 422, "control: only the question's own answer counts"
    assert 'name="email_checked" value="jane@gmail.con"' in asked.text
    assert client.post(f"/en/{SLUG}/donations", data={**fields, "email_checked": "jane@gmail.con"}).status_code == 303
    assert send(client, "en", email="jane@gmail.com").status_code == 303


def test_the_question_about_an_address_comes_again_when_other_errors_were_shown_with_it(client: FlaskClient) -> None:
    asked = send(client, "en", email="jane@gmail.con", city="")
    assert ("Did you mean" in notice_of(asked), 'name="email_checked"' in asked.text) == (True, False), (
        "whoever mends the city keeps no typo by it"
    )


def test_a_form_of_staff_whose_session_has_ended_says_so(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    with app.app_context():
        answer = app.test_client().post("/staff/funders/1/links", data={"csrf_token": "old"})
    assert (answer.status_code, "Your session has ended" in answer.text) == (403, True)
    assert 'href="/staff/sign-in?next=/staff/funders"' in answer.text


def test_a_second_monthly_gift_of_the_same_person_and_sum_is_asked_about(client: FlaskClient, campaign: Campaign) -> None:
    monthly = {"frequency": "monthly", "amount": "20"}
    assert send(client, "en", **monthly).status_code == 303
    first = db.session.query(Donation).one()
    begin_recurring_gift(first)
    asked = send(client, "en", **monthly)
    assert (asked.status_code, "You already give $20 each month" in notice_of(asked)) == (409, True)
    assert db.session.query(Donation).count() == 1
    fields = {**FORM, **monthly, **hidden_fields(asked)}
    assert 'name="second_monthly" value="y"' in asked.text
    assert client.post(f"/en/{SLUG}/donations", data={**fields, "second_monthly": "y"}).status_code == 303
    for other in ({"amount": "30"}, {"frequency": "once"}, {"last_name": "Roy"}, {"postal_code": "H2X 1Y5"}, {"email": "b@example.org"}):
        assert send(client, "en", **{**monthly, **other}).status_code == 303, "an address alone tells nobody that its owner gives monthly"


def begin_recurring_gift(first: Donation) -> None:
    contact = {name: getattr(first, name) for name in CONTACT_FIELDS}
    agreement = {"subscription": "sub_1", "amount_cents": 20_00, "covered_fee_cents": 0, "status": "active", "snapshot_number": 0}
    gift = RecurringGift(donation_id=first.id, **agreement, **contact)
    db.session.add(gift)
    db.session.commit()


def test_the_page_in_the_other_language_keeps_what_was_typed_and_not_yet_checked(client: FlaskClient) -> None:
    wrong = send(client, "en", amount="1,234.50", email="not an address", province="Ontario")
    assert wrong.status_code == 422
    typed = {**FORM, **hidden_fields(wrong), "amount": "1,234.50", "email": "not an address"}
    page = client.post(f"/fr/{SLUG}", data=typed)
    assert page.status_code == 200
    assert 'lang="fr"' in page.text
    for typed_text in ('value="1234,50"', 'value="not an address"', "D&#39;Arcy-Lévesque"):
        assert typed_text in page.text
    assert 'class="notice' not in page.text, "nothing was checked yet"
    assert hidden_fields(page)["attempt"] == typed["attempt"]
    assert (
        client.post(
            f"/fr/{SLUG}/donations", data={**typed, **hidden_fields(page), "amount": "1234,50", "email": "a@example.org"}
        ).status_code
        == 303
    )


def test_no_address_of_a_form_is_a_dead_end_when_it_is_opened_or_reloaded(app: Flask, campaign: Campaign) -> None:
    """Every route that only takes a form leads, when it is opened, to the page that the form is on."""
    client, dead = app.test_client(), []
    pages = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    for rule in app.url_map.iter_rules():
        if rule.rule in pages or rule.rule.startswith(("/api/", "/stripe/")):
            continue
        choices = re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule.rule)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: {"language": "fr", "slug": SLUG}.get(found[1], "1"), choices)
        answer = client.get(path)
        leads_to_a_page = answer.status_code == 303 and client.get(answer.location).status_code != 405
        # 302 leads to the sign-in of staff; a funder whose session has ended reads how to get a link.
        says_how_to_go_on = {200, 302, 403} if rule.rule.startswith("/funder/") else {200, 302}
        if not leads_to_a_page and answer.status_code not in says_how_to_go_on:
            dead.append((path, answer.status_code))
    assert dead == []
    assert client.get(f"/en/{SLUG}/donations").location == f"/en/{SLUG}"


def test_the_language_of_a_page_that_a_refused_form_shows_leads_to_that_page(app: Flask, campaign: Campaign) -> None:
    """Of every route of staff that only takes a form: in the other language there is its page, never an error."""
    client, wrong, asked = signed_in(app, "admin"), [], 0
    for rule in app.url_map.iter_rules():
        methods = rule.methods or set()
        if "GET" in methods or not rule.rule.startswith("/staff/"):
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", "1", re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule.rule))
        with app.test_request_context(path, method="POST"):
            page = url_in("fr")
        asked += 1
        with app.test_request_context(page):
            if request.routing_exception is not None and not isinstance(request.routing_exception, RequestRedirect):
                wrong.append((path, page))
    assert wrong == [] and asked > 30
    moved = client.get("/staff/account/shortcuts?lang=fr")
    assert (moved.status_code, moved.location) == (303, "/staff/account?lang=fr")
    assert 'lang="fr"' in open_page(client, moved.location).text


# What the page says is left, in words or as an amount, and what the API says a gift that is paid now could be matched from.
STATES: dict[str, tuple[Callable[[Fund], object], str, int]] = {
    "open": (lambda _: None, "$200", 200_00),
    "partly on hold": (lambda fund: start_donation(db.session.get_one(Campaign, fund.campaign_id), 20_00), "$200", 180_00),
    "paused": (BECOMES["paused"][0], "paused", 0),
    "not yet": (lambda _: None, "not begun yet", 0),
    "ended": (BECOMES["ended"][0], "ended", 0),
    "used up": (use_up, "$0", 0),
    "rematching": (leave_a_rematch, "goes to earlier gifts first", 0),
}


@pytest.mark.parametrize("state", STATES)
def test_page_quote_and_api_agree_in_each_state_of_the_fund(client: FlaskClient, campaign: Campaign, state: str) -> None:
    change, left, available = STATES[state]
    opens_at = datetime.now(UTC) + timedelta(days=2) if state == "not yet" else None
    own = another_campaign(200_00, like=campaign, opens_at=opens_at)
    db.session.commit()
    before = client.get(f"/api/campaigns/{own.slug}")
    change(funds_of(own.id)[0])
    db.session.commit()
    totals, page = client.get(f"/api/campaigns/{own.slug}"), client.get(f"/en/{own.slug}")
    quote = client.get(f"/en/{own.slug}/quote?amount=50").get_json()
    assert totals.get_json()["match"]["available_cents"] == available
    assert (totals.headers["ETag"] == before.headers["ETag"]) == (totals.get_json()["match"] == before.get_json()["match"])
    shown = re.search(r"<dt>Matching left of [^<]*</dt><dd>([^<]*)<?", page.text)
    assert shown
    assert shown[1].strip() == left
    assert left in quote["sums"]
    assert (quote["match_cents"] + quote["later_cents"] > 0) == (available > 0)
    assert bool(re.search("is doubled|can finish it", quote["claim"])) == (available > 0)
    assert quote["claim"] in page.text.replace("&#39;", "'")


def test_a_cut_address_leads_to_the_campaign_in_its_language(client: FlaskClient) -> None:
    assert client.get("/fr/").location == f"/fr/{SLUG}"
    assert client.get("/en", follow_redirects=True).request.path == f"/en/{SLUG}"
    assert client.get("/en/%0d%0aX:1/donations").status_code in {303, 404}


def test_what_a_screen_reader_hears_of_the_goal_is_what_was_raised(client: FlaskClient, campaign: Campaign) -> None:
    campaign.goal_cents = 100_00
    paid(campaign, 56_50)
    db.session.commit()
    assert 'aria-label="113% of the goal"' in client.get(f"/en/{SLUG}").text


def test_ten_open_holds_under_somebodys_address_deny_its_owner_nothing(app: Flask, campaign: Campaign) -> None:
    """Whoever pays is matched at once, from the share that no unpaid checkout can hold."""
    for _ in range(10):
        start_donation(campaign, 25_000_00, email="owner@example.org", expected=0)
    db.session.commit()
    owner = start_donation(campaign, 100_00, email="owner@example.org", expected=0)
    pay(owner)
    db.session.commit()
    assert match_of(owner.id).matched_cents == 100_00


def test_every_reason_has_words_in_both_languages() -> None:
    french = translator("fr")
    for _, reason in BECOMES.values():
        assert french.gettext(reason) != reason
