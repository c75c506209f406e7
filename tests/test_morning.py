"""A morning of staff in a browser: everyday tasks one after another, with a mouse on a wide screen in English, and by keyboard alone on a phone in French.

Labels are taken from the catalogue, so one story has both languages. Every page on the way is judged by axe and fits its screen.
"""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from flask_babel import force_locale, gettext
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import select, text
from werkzeug.serving import BaseWSGIServer, make_server

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox.__main__ import Quiet
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.privacy import erasure
from campaign.receipts import gift_import_jobs
from campaign.reporting.integrity import checker
from campaign.rules.money import format_money
from campaign.rules.offline_gifts import OfflineQuestion
from campaign.schedule import schedule_jobs
from tests.browser import chromium_path, open_browser
from tests.conftest import Post, Stripe
from tests.factories import issue_receipt, today
from tests.imported_files import HEADINGS, line
from tests.offline_gifts import cheque
from tests.stripe import donate, start_recurring
from tests.web import signed_in

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine"),
]

MOST_TABS = 150


@dataclass
class Member:
    """A member of staff at a browser. By keyboard, everything is reached with Tab and operated with Enter, Space and the arrows."""

    app: Flask
    page: Page
    base: str
    language: str
    by_keyboard: bool
    judged: set[str] = field(default_factory=set)

    def say(self, msgid: str, **values: object) -> str:
        """The text of the interface in the member's language."""
        with self.app.test_request_context(), force_locale(self.language):
            return str(gettext(msgid, **values))

    def money(self, cents: int) -> str:
        return format_money(cents, self.language)

    def open(self, path: str) -> None:
        db.session.rollback()  # What the test has read: the database ends a transaction that is idle while a slow browser works.
        self.page.goto(self.base + path)
        self.judge()

    def judge(self) -> None:
        """The page fits the screen, and axe finds nothing; once for each kind of page and what it shows."""
        heading = self.page.locator("h1").first.inner_text()
        kind = re.sub(r"\d+|d_\w+", "N", self.page.url) + heading + str(self.page.locator("[aria-invalid=true]").count())
        if kind in self.judged:
            return
        self.judged.add(kind)
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.page.viewport_size["width"], (self.page.url, wide)  # type: ignore[index]
        found = Axe().run(self.page)
        violations = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]]
        assert violations == [], self.page.url

    def press(self, target: Locator) -> None:
        """Operate a link, a button, a box to tick or a fold. Whatever leads to another page is followed to its end."""
        db.session.rollback()
        leads_on = target.evaluate("e => e.matches('a[href], button[type=submit]')")
        with self.page.expect_navigation() if leads_on else nullcontext():
            self.operate(target)

    def operate(self, target: Locator) -> None:
        if not self.by_keyboard:
            target.click()
            return
        self.reach(target)
        is_choice = target.evaluate("e => ['radio', 'checkbox'].includes(e.type)")
        self.page.keyboard.press("Space" if is_choice else "Enter")

    def reach(self, target: Locator) -> None:
        """Move the focus to the target with Tab alone."""
        expect(target).to_be_visible()
        for _ in range(MOST_TABS):
            if target.evaluate("e => e === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{target} is not reached by keyboard on {self.page.url}")

    def choose(self, name: str, label: str) -> None:
        """Choose one of several that exclude each other."""
        target = self.page.get_by_label(label, exact=True)
        if not self.by_keyboard:
            target.check()
            return
        group = self.page.locator(f"input[type=radio][name={name}]")
        for _ in range(MOST_TABS):
            if group.evaluate_all("all => all.includes(document.activeElement)"):
                break
            self.page.keyboard.press("Tab")
        for _ in range(group.count() + 1):
            if target.evaluate("e => e === document.activeElement"):
                break
            self.page.keyboard.press("ArrowDown")
        if not target.is_checked():
            self.page.keyboard.press("Space")
        expect(target).to_be_checked()

    def type(self, label: str, text: str, *, exact: bool = True) -> None:
        target = self.page.get_by_label(label, exact=exact).first
        if not self.by_keyboard:
            target.fill(text)
            return
        self.reach(target)
        if target.get_attribute("type") == "date":  # Its parts are typed one by one, in an order that depends on the browser's language.
            target.fill(text)
            return
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def link(self, msgid: str, **values: object) -> None:
        self.press(self.page.get_by_role("main").get_by_role("link", name=self.say(msgid, **values), exact=True).first)
        self.judge()

    def button(self, msgid: str, **values: object) -> None:
        self.press(self.page.get_by_role("main").get_by_role("button", name=self.say(msgid, **values), exact=True).first)
        self.judge()

    def unfold(self, msgid: str, **values: object) -> None:
        self.press(self.page.locator("summary", has_text=self.say(msgid, **values)).first)

    def go(self, section: str, page: str = "") -> None:
        """Follow the navigation, which is a menu on phones."""
        for msgid in filter(None, (section, page)):
            menu = self.page.locator("details.menu > summary")
            if menu.is_visible():
                self.press(menu)
            label = self.say(msgid)
            self.press(self.page.locator("nav:visible a:visible").filter(has_text=re.compile(rf"^\s*{re.escape(label)}(\s|$)")).first)
        self.judge()

    def fails_with(self) -> str:
        """What the page says is wrong."""
        return " | ".join(self.page.locator(".error:visible, .notice.problem:visible").all_inner_texts())

    def sees(self, text: str) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text)


@pytest.fixture
def server(app: Flask) -> Iterator[BaseWSGIServer]:
    running = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with open_browser() as running:
        yield running


def sit_down(app: Flask, server: BaseWSGIServer, browser: Browser, address: str, language: str, *, is_phone: bool) -> Member:
    """A member who has signed in, on a laptop with a mouse or on a phone by keyboard."""
    cookie = signed_in(app, "admin", address=address).get_cookie("session")
    assert cookie
    base = f"http://127.0.0.1:{server.port}"
    context = browser.new_context(viewport={"width": 360, "height": 780} if is_phone else {"width": 1280, "height": 900})
    context.add_cookies([{"name": "session", "value": cookie.value, "url": base}])
    member = Member(app=app, page=context.new_page(), base=base, language=language, by_keyboard=is_phone)
    member.open(f"/staff/?lang={language}")
    return member


def find_donor(member: Member, gift: Donation) -> None:
    member.page.keyboard.press("Control+k" if member.by_keyboard else "/")
    box = member.page.locator("[data-shortcut]")
    expect(box).to_be_focused()
    member.page.keyboard.type("genevieve tremb")
    with member.page.expect_navigation():
        member.page.keyboard.press("Enter")
    member.judge()
    member.press(member.page.get_by_role("main").get_by_role("link", name=gift.full_name).last)
    member.judge()
    expect(member.page.get_by_role("main")).to_contain_text(gift.full_name)


def correct_address(member: Member, gift: Donation) -> None:
    member.open(f"/staff/donations/{gift.public_id}")
    member.link("Correct the name or address")
    member.type(member.say("City"), "Chicoutimi")
    member.choose("scope", member.say("From now on"))
    member.type(member.say("Why (for the audit trail, not for the donor)"), "she moved")
    member.button("Correct it")


def refund_half(member: Member, gift: Donation, waiting: Donation) -> None:
    before, matched = match_of(waiting.id).matched_cents, match_of(gift.id).matched_cents
    half = gift.amount_cents // 2
    member.open(f"/staff/donations/{gift.public_id}")
    member.link("Refund …")
    member.type(member.say("Amount"), format_money(half, member.language).replace("$", "").strip())
    member.type(member.say("Why (for the audit trail, not for the donor)"), "paid twice")
    member.button("See what it does")
    member.sees(member.money(half))
    member.button("Refund %(sum)s", sum=member.money(half))
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert match_of(gift.id).matched_cents == matched - half
    assert match_of(waiting.id).matched_cents > before, "another gift was matched further"


def send_again(member: Member, gift: Donation) -> None:
    member.open(f"/staff/donations/{gift.public_id}")
    member.button("Send the receipt again")


def record_cheques(member: Member) -> None:
    """Three cheques, the first of which the bank returns."""
    member.go("Donations", "Offline gifts")
    for number, (last, first) in enumerate((("Roy", "Paul"), ("Gagnon", "Anne"), ("Nguyễn", "Minh"))):
        member.type(member.say("Amount"), f"{40 + number}")
        member.type(member.say("Number of the cheque or transfer"), f"{5000 + number}")
        member.type(member.say("Last name"), last)
        member.type(member.say("First name"), first)
        member.type(member.say("Postal code"), "H2X 1Y4")
        member.type(member.say("Address"), "12, rue du Marché")
        member.type(member.say("City"), "Montréal")
        member.type(member.say("Province or territory"), "Québec")
        member.button("Record it, and the next one")
        expect(member.page.get_by_role("main").locator("tbody tr"), member.fails_with()).to_have_count(number + 2)
    member.press(member.page.locator("tbody").get_by_role("link", name="Paul Roy").first)
    member.link("How it was paid without Stripe, and reversing it")
    member.choose("kind", member.say("The bank returned the payment"))
    member.type(member.say("On which day?"), today().isoformat())
    member.type(member.say("Why (for the audit trail, not for the donor)"), "no funds")
    member.button("Reverse it")
    member.sees("no funds")


def raise_pledge(asking: Member, agreeing: Member, fund: Fund) -> None:
    before = fund.pledged_cents
    asking.go("Funds")
    asking.press(asking.page.locator("tbody").get_by_role("link").first)
    asking.judge()
    asking.link("Raise its pledge")
    asking.type(asking.say("Raise it by"), "1000")
    asking.type(asking.say("Why (for the audit trail, and for the person who agrees)"), "the funder adds to it")
    asking.button("Ask a second person")
    agreeing.open("/staff/")
    agreeing.go("Funds")
    agreeing.button("Agree: raise it")
    db.session.expire_all()
    assert fund.pledged_cents == before + 1_000_00


def open_second_campaign(member: Member) -> None:
    member.go("Settings", "Campaigns")
    member.link("New campaign")
    for label, title in (("Title in English", "Spring walk"), ("Title in French", "Marche du printemps")):
        member.type(member.say(label), title)
    for label in ("First sentences in English", "First sentences in French", "Story in English", "Story in French"):
        member.type(member.say(label), "We walk for research.")
    for label, cause in (("What gifts go to, in English", "research"), ("What gifts go to, in French", "la recherche")):
        member.type(member.say(label), cause)
    member.type(member.say("Goal"), "20000")
    member.button("Create the draft")
    member.button("Open it")
    assert db.session.scalar(select(Campaign.opened_at).where(Campaign.title_en == "Spring walk"))


def first_of_month() -> date:
    return today().replace(day=1)


def close_month(member: Member) -> None:
    last_month = first_of_month() - timedelta(days=1)
    member.open(f"/staff/money/months?year={last_month.year}")
    member.press(member.page.locator(f"tbody a[href*='{last_month:%Y-%m}']").first)
    member.judge()
    reason = member.page.locator("#reason")
    if reason.get_attribute("required") is not None:
        member.type(member.say("Why it is closed although checks are open"), "the bank is asked")
    member.press(member.page.locator("form.panel button[type=submit]"))
    member.sees(member.say("Nothing has changed since then."))


def import_file(member: Member) -> None:
    """Two hundred rows, five of them wrong, of which one is corrected in place."""
    wrong = [
        line(196, amount="1,234"),
        line(197, date="31/31/2026"),
        line(198, last=""),
        line(199, method="Visa"),
        line(200, postal="M5V 3L9"),
    ]
    rows = [line(number) for number in range(1, 196)]
    member.go("Donations", "Import")
    box = member.page.get_by_label(member.say("CSV file"), exact=True)
    if member.by_keyboard:
        member.reach(box)
    box.set_input_files(
        {"name": "cheques.csv", "mimeType": "text/csv", "buffer": "\r\n".join([HEADINGS, *rows, *wrong]).encode("utf-8-sig")}
    )
    member.button("Upload, and see the columns")
    member.button("See the rows")
    assert member.page.locator("tbody:visible tr").count() == 5
    member.press(member.page.locator("a[href*='/rows/199']"))
    member.judge()
    member.type(member.say("Last name"), "Gagné")
    member.button("Save this row")
    member.open("/staff/imports")
    member.press(member.page.locator("tbody").get_by_role("link").first)
    member.press(member.page.locator("section[aria-labelledby=ready] button[type=submit]"))
    assert gift_import_jobs.handle_imports() == 196
    member.page.reload()
    member.judge()


def send_mail(app: Flask) -> None:
    with app.app_context():
        send_jobs.send_due()


def erase_person(member: Member, gift: Donation) -> None:
    # Their receipt is mailed first: until then it prevents an erasure. The mail of all others waits.
    wait = text(
        "UPDATE outbox SET not_before = now() + CASE WHEN donation_id = :gift THEN '0' ELSE '1 hour' END::interval WHERE done_at IS NULL"
    )
    db.session.execute(wait, {"gift": gift.id})
    db.session.commit()
    with ThreadPoolExecutor(1) as worker:  # Mail has an event loop of its own, which this thread has for the browser.
        worker.submit(send_mail, member.app).result()
    db.session.rollback()
    assert erasure.preview(gift.donor_id).prevented == {}
    member.go("Settings", "Privacy requests")
    kind = member.page.get_by_label(member.say("What the person asks for"), exact=True)
    if member.by_keyboard:
        member.reach(kind)
        member.page.keyboard.type(member.say("erasure"))
    else:
        kind.select_option("erasure")
    member.type(member.say("Day on which it came"), today().isoformat())
    member.type(member.say("Who asks"), "Luc Roy")
    member.type(member.say("How to answer them"), "luc@example.org")
    member.button("Record it")
    member.type(member.say("How you know that it is them"), "answered from that address")
    member.button("It is them")
    member.type(member.say("Name, or any email address that they have or had"), gift.email)
    member.button("Find")
    member.button("This is the person")
    member.link("See what an erasure would do")
    member.button("Erase this person for good")
    db.session.expire_all()
    assert (gift.email, gift.message) == ("", "")
    assert gift.last_name, "the books name the donor as long as tax law asks"


def export(member: Member) -> None:
    member.go("Donations", "Exports")
    member.choose("what", member.page.locator("input[name=what]").first.evaluate("e => e.labels[0].innerText.trim()"))
    button = member.page.get_by_role("button", name=member.say("Download (CSV)"), exact=True)
    with member.page.expect_download() as download:
        member.operate(button)
    assert b"Tremblay" in download.value.path().read_bytes()


@pytest.mark.parametrize(("language", "is_phone"), [("en", False), ("fr", True)], ids=["mouse-wide-en", "keyboard-phone-fr"])
def test_a_morning(
    app: Flask,
    campaign: Campaign,
    fund: Fund,
    stripe: Stripe,
    post: Post,
    server: BaseWSGIServer,
    browser: Browser,
    language: str,
    is_phone: bool,
) -> None:
    cheque(campaign, 60_00, received_on=first_of_month() - timedelta(days=3), answered=list(OfflineQuestion))
    names = {"first_name": "Geneviève", "last_name": "Tremblay", "email": "genevieve@example.org"}
    first = start_recurring(app, stripe, expected_match="0", amount="25000", **names)
    schedule_jobs.poll_stripe()
    other = donate(app, stripe, expected_match="0", amount="20000", email="other@example.org", message="Courage!")
    waiting = donate(app, stripe, expected_match="0", amount="10000", email="waits@example.org")
    db.session.expire_all()
    issue_receipt(first)
    db.session.commit()
    member = sit_down(app, server, browser, "one@example.org", language, is_phone=is_phone)
    find_donor(member, first)
    correct_address(member, first)
    refund_half(member, first, waiting)
    send_again(member, first)
    record_cheques(member)
    colleague = sit_down(app, server, browser, "two@example.org", language, is_phone=is_phone)
    raise_pledge(member, colleague, fund)
    open_second_campaign(member)
    close_month(member)
    export(member)
    member.open(f"/staff/?campaign={campaign.slug}")
    import_file(member)
    erase_person(member, other)
    assert checker.findings(db.engine) == []
