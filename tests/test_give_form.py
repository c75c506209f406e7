"""The donation form as donors use it: suggested amounts, months, provinces, two steps on a phone; in a real browser, and without its scripts."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching import fund_lifecycle
from campaign.matching.funds import funds_of
from campaign.matching.holds import match_of
from campaign.web.public.regions import provinces, region_of
from tests.browser import chromium_path, fill_in, open_browser, serve
from tests.conftest import Stripe
from tests.factories import another_campaign, create_fund
from tests.web import FORM, SLUG, hidden_fields, send

PHONE = ViewportSize(width=320, height=568)
DESKTOP = ViewportSize(width=1280, height=900)
WORDS = {
    "en": {
        "next": "Continue with $100",
        "give": "Give $100, research receives $200",
        "preset": "$100 becomes $200",
        "month": "Each month",
        "monthly": "Give $100 each month",
        "back": "Back from the payment page?",
    },
    "fr": {
        "next": "Continuer avec 100\u00a0$",
        "give": "Donner 100\u00a0$\u00a0: la recherche reçoit 200\u00a0$",
        "preset": "100\u00a0$ devient 200\u00a0$",
        "month": "Chaque mois",
        "monthly": "Donner 100\u00a0$ chaque mois",
        "back": "De retour de la page de paiement?",
    },
}
SHIFT = """() => new Promise(done => { let sum = 0;
    new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; }).observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(sum), 300); })"""

in_browser = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with serve(app) as url:
        yield url


def open_page(browser: Browser, address: str, language: str, **of_context: Any) -> Page:
    page = browser.new_context(**of_context).new_page()
    page.goto(f"{address}/{language}/{SLUG}")
    return page


def fill_person(page: Page) -> None:
    for name in ("first_name", "last_name", "email", "postal_code", "address_line1", "city", "province"):
        fill_in(page.locator(f"[name={name}]"), FORM[name])


def assert_accessible(page: Page) -> None:
    found = Axe().run(page)
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]] == []


def is_in_reach(page: Page, selector: str) -> bool:
    """Whether the button is on the screen, without scrolling."""
    box = page.locator(selector).bounding_box()
    assert page.viewport_size
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"] + 1


def tap(page: Page, selector: str) -> None:
    """Tap on the button where it is on the screen: it is not scrolled to first, as it moves with the screen."""
    box = page.locator(selector).bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("fr", "dark")])
class TestOnAPhone:
    pytestmark = in_browser

    def test_the_gift_comes_first_then_the_person(
        self, chromium: Browser, address: str, stripe: Stripe, language: str, scheme: str
    ) -> None:
        words = WORDS[language]
        page = open_page(chromium, address, language, viewport=PHONE, color_scheme=scheme)
        assert is_in_reach(page, ".intro .to-form a"), "a way to the form, before anything is scrolled"
        tap(page, ".intro .to-form a")
        expect(page.locator("#next")).to_be_in_viewport(ratio=1)
        expect(page.locator("#first_name")).to_be_hidden()
        page.get_by_text(words["preset"]).click()
        expect(page.locator("#next")).to_have_text(words["next"])
        assert is_in_reach(page, "#next")
        assert_accessible(page)
        page.locator("#next").click()
        expect(page.locator("#you")).to_be_focused()
        expect(page.locator("#amount")).to_be_hidden()
        expect(page.get_by_role("button", name=words["give"])).to_be_in_viewport(ratio=1)
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.go_back()
        expect(page.locator("#amount")).to_have_value("100")
        page.locator("#amount").press("Enter")
        fill_person(page)
        page.get_by_role("button", name=words["give"]).click()
        page.wait_for_url(f"{stripe.url}/c/pay/*")

    def test_an_amount_that_cannot_be_given_is_named_before_the_second_step(
        self, chromium: Browser, address: str, language: str, scheme: str
    ) -> None:
        page = open_page(chromium, address, language, viewport=PHONE, color_scheme=scheme)
        page.locator("#amount").fill("3")
        page.locator("#next").click()
        expect(page.locator("#amount")).to_be_focused()
        expect(page.locator("#amount-error")).to_contain_text("5")
        assert page.locator("#amount").get_attribute("aria-describedby") == "amount-error amount-help"
        assert_accessible(page)
        page.locator("#amount").fill("30")
        page.locator("#next").click()
        expect(page.locator("#you")).to_be_focused()

    def test_what_is_wrong_is_shown_in_the_step_where_it_is(self, chromium: Browser, address: str, language: str, scheme: str) -> None:
        page = open_page(chromium, address, language, viewport=PHONE, color_scheme=scheme)
        page.get_by_text(WORDS[language]["preset"]).click()
        page.locator("#next").click()
        fill_person(page)
        page.locator("#email").fill("nobody")
        page.get_by_role("button", name=WORDS[language]["give"]).click()
        expect(page.locator("form [role=alert]")).to_be_focused()
        expect(page.locator("#email-error")).to_be_visible()
        expect(page.locator("#amount")).to_be_hidden()
        assert_accessible(page)
        page.locator("form [role=alert] a").first.click()
        expect(page.locator("#email")).to_be_focused()
        expect(page.locator("#amount")).to_be_hidden()
        page.locator("#change").click()
        expect(page.locator("#amount")).to_have_value("100")


@pytest.mark.parametrize("language", ["en", "fr"])
class TestInABrowser:
    pytestmark = in_browser

    def test_an_amount_that_is_chosen_before_the_script_arrives_stays_chosen(self, chromium: Browser, address: str, language: str) -> None:
        page = chromium.new_context(viewport=DESKTOP).new_page()
        held: list[Route] = []
        page.route("**/give.js*", lambda route: held.append(route))  # noqa: PLW0108  # Playwright sets an attribute on it
        page.goto(f"{address}/{language}/{SLUG}", wait_until="commit")
        page.get_by_text(WORDS[language]["preset"]).click()
        held[0].continue_()
        expect(page.locator("#amount")).to_have_value("100")
        expect(page.locator(".submit")).to_have_text(WORDS[language]["give"])

    def test_the_other_language_and_giving_again_keep_the_step(self, chromium: Browser, address: str, language: str) -> None:
        page = open_page(chromium, address, language, viewport=PHONE)
        page.locator("#amount").fill("30")
        page.locator("#next").click()
        fill_person(page)
        page.locator("#other-language").click()
        expect(page.locator("html")).to_have_attribute("lang", {"en": "fr", "fr": "en"}[language])
        expect(page.locator("#email")).to_have_value(FORM["email"])
        expect(page.locator("#email")).to_be_visible()

    def test_who_returns_from_the_payment_page_reads_that_nothing_was_charged(
        self, chromium: Browser, address: str, stripe: Stripe, language: str
    ) -> None:
        page = open_page(chromium, address, language, viewport=PHONE)
        page.locator("#amount").fill("30")
        page.locator("#next").click()
        fill_person(page)
        expect(page.locator("#came-back")).to_be_hidden()
        page.locator(".submit").click()
        expect(page.locator("#card")).to_be_visible()
        page.go_back()
        expect(page.locator("#came-back")).to_be_visible()
        expect(page.locator("#came-back")).to_contain_text(WORDS[language]["back"])
        page.locator(".submit").click()
        expect(page.locator("#card")).to_be_visible()
        assert {donation.amount_cents for donation in db.session.query(Donation)} == {30_00}

    def test_a_quote_is_read_aloud_once_the_donor_pauses(self, chromium: Browser, address: str, language: str) -> None:
        page = open_page(chromium, address, language, viewport=DESKTOP)
        page.locator("#amount").press_sequentially("125.50" if language == "en" else "125,50", delay=150)
        assert page.locator("#quote-said").text_content() == "", "not each digit"
        expect(page.locator("#quote-said")).to_contain_text("125.50" if language == "en" else "125,50")

    def test_an_amount_that_cannot_be_given_is_named_once_the_field_is_left(self, chromium: Browser, address: str, language: str) -> None:
        page = open_page(chromium, address, language, viewport=DESKTOP)
        page.locator("#amount").fill("3")
        page.locator("#amount").press("Tab")
        expect(page.locator("#amount-error")).to_contain_text("5")

    def test_a_monthly_gift_says_so_on_the_button_and_in_the_quote(self, chromium: Browser, address: str, language: str) -> None:
        page = open_page(chromium, address, language, viewport=DESKTOP)
        page.get_by_text(WORDS[language]["preset"]).click()
        expect(page.locator(".submit")).to_have_text(WORDS[language]["give"])
        page.get_by_text(WORDS[language]["month"], exact=True).click()
        expect(page.locator(".submit")).to_have_text(WORDS[language]["monthly"])
        expect(page.locator("#quote")).to_contain_text({"en": "each month", "fr": "chaque mois"}[language])
        expect(page.locator("#each-month")).to_be_visible()

    def test_amounts_and_months_are_chosen_by_keyboard(self, chromium: Browser, address: str, language: str) -> None:
        page = open_page(chromium, address, language, viewport=DESKTOP)
        page.locator("#once").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#monthly")).to_be_checked()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        expect(page.locator("#amount")).to_have_value("50")
        page.keyboard.press("ArrowDown")
        expect(page.locator("#amount")).to_have_value("100")
        page.locator("#amount").fill("120")
        assert page.locator("[name=preset]:checked").count() == 0

    def test_the_postal_code_names_the_province_until_the_donor_chooses_one(self, chromium: Browser, address: str, language: str) -> None:
        page = open_page(chromium, address, language, viewport=DESKTOP)
        page.locator("#postal_code").fill("h2x 1y4")
        expect(page.locator("#province")).to_have_value("QC")
        page.locator("#postal_code").fill("k1a 0b1")
        expect(page.locator("#province")).to_have_value("ON")
        page.locator("#province").select_option("QC")
        page.locator("#postal_code").fill("v5k 0a1")
        expect(page.locator("#province")).to_have_value("QC")
        page.locator("#country").select_option("FR")
        expect(page.locator("#province")).to_be_hidden()

    def test_the_page_is_light_and_does_not_move_while_it_loads(
        self, chromium: Browser, address: str, language: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sent: dict[str, int] = {}
        page = chromium.new_context(viewport=PHONE).new_page()
        page.on("requestfinished", lambda request: sent.update({request.url: request.sizes()["responseBodySize"]}))
        page.goto(f"{address}/{language}/{SLUG}", wait_until="networkidle")
        shift = page.evaluate(SHIFT)
        to_button = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        with capsys.disabled():
            print(
                f" {language}: {sum(sent.values()) / 1000:.1f} KB in {len(sent)} requests, layout shift {shift:.3f}, usable after {to_button:.0f} ms"
            )
        assert sum(sent.values()) < 60_000
        assert len(sent) <= 8
        assert all(url.startswith(address) for url in sent), "no third party"
        assert shift < 0.01


@pytest.mark.parametrize(("preset", "typed", "cents"), [("100", "", 100_00), ("100", "75", 75_00), ("", "75", 75_00)])
def test_without_scripts_a_suggested_amount_counts_when_none_is_typed(
    client: FlaskClient, stripe: Stripe, preset: str, typed: str, cents: int
) -> None:
    assert send(client, "en", amount=typed, preset=preset).status_code == 303
    assert db.session.query(Donation).one().amount_cents == cents


def test_a_hostile_suggested_amount_is_checked_like_a_typed_one(client: FlaskClient) -> None:
    refused = send(client, "en", amount="", preset="0.01")
    assert refused.status_code == 422
    assert "The smallest gift online is $5." in refused.text


def test_provinces_and_states_are_chosen_from_one_list_in_both_languages() -> None:
    for language in ("en", "fr"):
        chosen, (canada, states) = region_of("Québec", language)
        assert chosen == "QC"
        assert [name for _, name in canada.choices] == provinces(language)
        assert ("NY", "New York") in states.choices
    assert region_of("NY", "fr")[0] == "NY"


def test_a_region_of_another_country_that_was_typed_once_stays_in_the_list() -> None:
    chosen, groups = region_of("Bavaria", "en")
    assert (chosen, groups[0].choices) == ("Bavaria", [("Bavaria", "Bavaria")])


def test_the_quote_of_a_month_is_of_the_first_month(client: FlaskClient) -> None:
    found: Any = client.get(f"/en/{SLUG}/quote?amount=100&frequency=monthly").json
    assert found["quote"] == "You give $100 each month, starting today. Your gift of $100 + $100 matched = $200."
    assert found["button"] == "Give $100 each month"


@pytest.mark.parametrize(
    ("amount", "error"), [("3", "The smallest gift online is $5."), ("x", "We could not read this amount"), ("30", "")]
)
def test_a_quote_says_what_is_wrong_with_an_amount(client: FlaskClient, amount: str, error: str) -> None:
    found: Any = client.get(f"/en/{SLUG}/quote?amount={amount}").json
    assert found["amount_error"].startswith(error) and bool(found["amount_error"]) == bool(error)


def test_without_scripts_another_suggested_amount_counts_after_an_error(client: FlaskClient, stripe: Stripe) -> None:
    refused = send(client, "en", amount="", preset="250", postal_code="no")
    assert refused.status_code == 422
    assert 'value="250" data-amount="250" checked' in refused.text
    fields = hidden_fields(refused)
    shown = re.search(r'name="amount" type="text" value="([^"]*)"', refused.text)
    assert shown
    chosen = {**FORM, "amount": shown[1], "preset": "50"}
    assert fields["expected_match"] == "25000"
    assert client.post(f"/en/{SLUG}/donations", data={**chosen, **fields}).status_code == 303, "the match that was shown was of $250"
    donation = db.session.query(Donation).one()
    assert (donation.amount_cents, match_of(donation.id).held_cents) == (50_00, 50_00)


def test_without_scripts_another_amount_that_is_matched_in_part_is_shown_first(
    client: FlaskClient, stripe: Stripe, campaign: Campaign
) -> None:
    own = another_campaign(20_00, like=campaign)
    fields = hidden_fields(send(client, "en", own.slug, amount="250", postal_code="no"))
    assert (fields["expected_match"], fields["expected_for"]) == ("2000", "25000")
    quoted = client.post(f"/en/{own.slug}/donations", data={**FORM, "amount": "50", **fields})
    assert quoted.status_code == 409
    assert (hidden_fields(quoted)["expected_match"], hidden_fields(quoted)["expected_for"]) == ("2000", "5000")


@pytest.mark.parametrize("shown_for", ["", "10000", "x"])
def test_a_match_that_was_shown_for_this_amount_is_held_or_the_donor_is_asked(
    client: FlaskClient, stripe: Stripe, campaign: Campaign, shown_for: str
) -> None:
    """The fund that adds two dollars to each ends between the form and the button: the other one matches the gift in full, with less."""
    own = another_campaign(5_000_00, like=campaign, ratio=(2, 1))
    create_fund(own, 5_000_00, position=2)
    db.session.commit()
    fields = hidden_fields(client.get(f"/en/{own.slug}?amount=100"))
    assert (fields["expected_match"], fields["expected_for"]) == ("20000", "10000")
    fund_lifecycle.end(funds_of(own.id)[0], actor="test", reason="test")
    db.session.commit()
    asked = client.post(f"/en/{own.slug}/donations", data={**FORM, **fields, "amount": "100", "expected_for": shown_for})
    assert (asked.status_code, hidden_fields(asked)["expected_match"]) == (409, "10000")
    assert db.session.query(Donation).count() == 0


@pytest.mark.parametrize("country", ["US", "DE"])
def test_a_province_of_canada_is_in_no_other_country(client: FlaskClient, stripe: Stripe, country: str) -> None:
    """It was chosen before the country was."""
    assert send(client, "en", country=country, province="ON", postal_code="90210" if country == "US" else "10115").status_code == 303
    assert (db.session.query(Donation).one().country, db.session.query(Donation).one().province) == (country, "")


def test_a_form_that_began_a_gift_begins_none_to_another_campaign(client: FlaskClient, stripe: Stripe, campaign: Campaign) -> None:
    other = another_campaign(100_00, like=campaign)
    db.session.commit()
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    assert client.post(f"/en/{SLUG}/donations", data=fields).status_code == 303
    answer = client.post(f"/en/{other.slug}/donations", data=fields)
    assert answer.status_code == 409 and answer.location is None, "it does not lead to the checkout of the first"
    assert db.session.query(Donation).one().campaign_id == campaign.id


def test_errors_are_listed_in_the_order_of_the_form(client: FlaskClient) -> None:
    refused = send(client, "en", amount="", first_name="", email="", postal_code="", address_line1="", city="")
    listed = re.findall(r'<li><a href="#(\w+)">', refused.text)
    shown = [name for name in re.findall(r'id="(\w+)"', refused.text) if name in listed]
    assert listed == sorted(listed, key=shown.index) and len(listed) >= 6
