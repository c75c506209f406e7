"""A donor's way through the service in a real browser: who they are, the steps that journeys share, and the work of workers between the steps."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from flask import Flask
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.links import Links
from campaign.mail import send_jobs
from campaign.payments.status import status_of
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs
from tests.browser import fill_in, keep_picture, serve
from tests.conftest import Post
from tests.factories import run_concurrently
from tests.mail import make_due, text_of
from tests.scale import SCALE
from tests.web import FORM, SLUG

PHONE, SMALL_PHONE, DESKTOP = 390, 320, 1280
CARD, EMAIL = "4242424242424242", FORM["email"]
PERSON = ("first_name", "last_name", "email", "postal_code", "address_line1", "city", "province")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Donor:
    """A donor by what their browser is like. `language` is that of the pages on which they begin."""

    language: Literal["en", "fr"]
    width: int
    scheme: Literal["light", "dark"]
    has_scripts: bool

    def __str__(self) -> str:
        return f"{self.language}-{self.width}-{self.scheme}-{'js' if self.has_scripts else 'nojs'}"

    @property
    def traits(self) -> tuple[bool, bool, bool, bool]:
        """The four traits of which tables cover each pair: French, a desktop, dark, with scripts."""
        return (self.language == "fr", self.width == DESKTOP, self.scheme == "dark", self.has_scripts)


def donors(table: str) -> list[Donor]:
    """The donors of a table, one a line: language, width, scheme, and js or nojs."""
    rows = [line.split() for line in table.strip().splitlines()]
    found = []
    for language, width, scheme, scripts in rows:
        assert language in {"en", "fr"} and scheme in {"light", "dark"} and scripts in {"js", "nojs"}
        found.append(Donor(language=language, width=int(width), scheme=scheme, has_scripts=scripts == "js"))  # type: ignore[arg-type]
    return found


# Half of the 16 combinations: each three traits in all their combinations.
EIGHT = donors("""
    en  390   light  nojs
    en  320   dark   js
    en  1280  light  js
    en  1280  dark   nojs
    fr  390   light  js
    fr  320   dark   nojs
    fr  1280  light  nojs
    fr  1280  dark   js
""")
# Each two traits in all their combinations, twice with other ones together.
FIVE = donors("""
    fr  1280  dark   nojs
    en  1280  light  js
    en  320   dark   js
    fr  390   light  js
    en  390   light  nojs
""")
OTHER_FIVE = donors("""
    en  1280  dark   nojs
    fr  1280  light  js
    fr  320   dark   js
    en  390   light  js
    fr  390   light  nojs
""")


def tried(table: list[Donor]) -> list[Donor]:
    """All donors of the table in `make long` and `make screenshots`; in the suite the first three, who have each trait and its contrary."""
    return table if SCALE > 1 else table[:3]


def covers(chosen: list[Donor], *, together: int) -> bool:
    """Whether so many traits occur in all their combinations, whichever they are."""
    return all(
        len({tuple(donor.traits[i] for i in columns) for donor in chosen}) == 2**together
        for columns in itertools.combinations(range(4), together)
    )


@dataclass(kw_only=True)
class Journey:
    """What one donor does and sees. `en` and `fr` are always the same words in both languages; spaces that do not break are written as others."""

    name: str
    donor: Donor
    site: str
    page: Page
    app: Flask
    language: Literal["en", "fr"]

    def said(self, en: str, fr: str) -> str:
        """The words in the language of the page."""
        return en if self.language == "en" else fr

    def sees(self, en: str, fr: str) -> None:
        """Wait for text that has these words."""
        expect(self.page.get_by_text(self.said(en, fr)).filter(visible=True).first).to_be_visible()

    def sees_heading(self, en: str, fr: str) -> None:
        """Wait for the heading of the page."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(self.said(en, fr))

    def reads_message(self, en: str, fr: str) -> None:
        """Wait for the message about what was done, which has the focus, so that a screen reader reads it."""
        message = self.page.locator("#done")
        expect(message).to_contain_text(self.said(en, fr))
        expect(message).to_be_focused()

    def open(self, path: str) -> None:
        """Open the page of ours, or of an email of ours."""
        self.page.goto(path if path.startswith("http") else f"{self.site}{path}")

    def open_form(self) -> None:
        """Open the campaign's page."""
        self.open(f"/{self.language}/{SLUG}")

    def press(self, en: str, fr: str) -> None:
        """Press the button, or follow the link, with this name."""
        name = self.said(en, fr)
        self.page.get_by_role("button", name=name, exact=True).or_(self.page.get_by_role("link", name=name, exact=True)).first.click()

    def unfold(self, en: str, fr: str) -> Locator:
        """Open the part of a page under this summary."""
        details = self.page.locator("details").filter(has=self.page.get_by_text(self.said(en, fr), exact=True)).first
        if details.get_attribute("open") is None:
            details.locator("summary").click()
        return details

    def type_amount(self, amount: str) -> None:
        """Type the amount, and go on to the second step where the form has two."""
        self.page.locator("#amount").fill(amount)
        self.go_on()

    def go_on(self) -> None:
        """Go on to the second step where the form has two."""
        if self.page.locator("#next").is_visible():
            self.page.locator("#next").click()
            expect(self.page.locator("#you")).to_be_focused()

    def type_person(self, **changed: str) -> None:
        """Type name, email and address, and what is passed by the names of the fields."""
        for name in PERSON:
            fill_in(self.page.locator(f"[name={name}]"), changed.get(name, FORM[name]))

    def submit(self) -> None:
        """Press the button of the donation form."""
        self.page.locator(".pay .submit").click()

    def pay(self) -> None:
        """Pay by card on Stripe's page, and come back."""
        self.page.locator("#card").fill(CARD)
        self.page.locator("form button").first.click()
        self.page.wait_for_url(f"{self.site}/**")

    def picture(self, step: str) -> None:
        """Keep a picture of the page as it is, where pictures are asked for."""
        keep_picture(self.page, f"{self.name}-{step}-{replace(self.donor, language=self.language)}")

    def work(self) -> None:
        """Let workers do what is due: what Stripe reports, receipts, emails. In a thread, as the browser's own loop runs in this one."""
        self.aside(_work)

    def aside(self, task: Callable[[], T]) -> T:
        """Do something without the browser: the signature of a receipt takes an event loop of its own."""
        db.session.rollback()
        [result] = run_concurrently(self.app, [task])
        db.session.expire_all()
        return result

    def mailed_link(self, post: Post, path: str, to: str = EMAIL) -> str:
        """The newest link to this path in an email to the address."""
        self.aside(_send)
        for _, recipients, message, _ in post.box.newest(20):
            found = re.search(rf"{re.escape(self.site)}/\w\w/{path}/[\w.~-]+", text_of(message))
            if recipients == [to] and found:
                return found[0]
        raise AssertionError(f"no link to {path} was mailed to {to}")

    def enter(self, post: Post, path: str = "access") -> None:
        """Open the link that was mailed, and press its button."""
        self.open(self.mailed_link(post, path))
        self.press("Continue", "Continuer")


def _work() -> None:
    schedule_jobs.poll_stripe()
    event_jobs.handle_events()
    _send()


def _send() -> None:
    make_due()
    send_jobs.send_due()


@contextmanager
def journey(app: Flask, browser: Browser, name: str, donor: Donor) -> Iterator[Journey]:
    """A journey in a browser of its own. At the end nothing may have failed in the browser, and nothing was asked of anybody but us and Stripe."""
    services = app.extensions["services"]
    db.session.commit()
    with serve(app) as site:
        app.extensions["services"] = replace(services, links=Links(site))  # Stripe's pages and emails lead back here.
        viewport = ViewportSize(width=donor.width, height=700 if donor.width < DESKTOP else 900)
        context = browser.new_context(
            viewport=viewport, color_scheme=donor.scheme, java_script_enabled=donor.has_scripts, reduced_motion="reduce"
        )
        page = context.new_page()
        failures: list[str] = []
        page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: failures.append(str(error)))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        yield Journey(name=name, donor=donor, site=site, page=page, app=app, language=donor.language)
        context.close()
        app.extensions["services"] = services
    assert [failure for failure in failures if " 422 " not in failure and " 409 " not in failure] == []
    own = (site, services.settings.stripe_api_base, "data:")
    assert [url for url in asked if not url.startswith(own)] == [], "nothing is asked of others"


def newest_donation() -> Donation:
    """The newest donation, as it is in the books now."""
    db.session.rollback()
    db.session.expire_all()
    return db.session.query(Donation).order_by(Donation.id.desc()).limit(1).one()


def books() -> tuple[str, int, int]:
    """Of the newest donation: its status, what is held and what is matched."""
    status = status_of(newest_donation())
    return status.state.value, status.held_cents, status.matched_cents
