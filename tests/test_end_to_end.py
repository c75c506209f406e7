"""An end-to-end story in a real browser against the whole running stack: an English donation, a French donation, and every page about them."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from pypdf import PdfReader

from campaign.devstack.processes import command_of
from campaign.devstack.stack import DevStack, free_port
from campaign.edges.db import close_connections, db
from campaign.ledger.privileges import is_owner
from tests.browser import chromium_path, fill_in, open_browser
from tests.commands import run_command
from tests.patience import PATIENCE_SECONDS

SLUG = "vision-sanaa-richard"
NAME = ("Sanâa Œuvré", "D'Arcy-Lévesque")

T = TypeVar("T")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine"),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    var = tmp_path_factory.mktemp("a stack with spaces")
    running = DevStack(var, port=free_port(18000, taken=set()), report=print, overrides={})
    running.start()
    yield running
    running.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as chromium:
        yield chromium


def new_page(browser: Browser) -> Page:
    """A page in a browser context of its own."""
    return browser.new_context(viewport={"width": 1280, "height": 900}).new_page()


def errors_of(page: Page) -> list[str]:
    """A list that collects the console errors and uncaught exceptions of the page from now on."""
    errors: list[str] = []

    def collect(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    page.on("console", collect)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def assert_accessible(page: Page) -> None:
    found = Axe().run(page)
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]] == []


def assert_fits_phone(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})


def command(stack: DevStack, *arguments: str) -> str:
    """The output of a `campaign` command with the settings of the stack."""
    return run_command(*arguments, environment=stack.environment()).stdout.strip()


def get_json(url: str) -> Any:
    with urlopen(url, timeout=5) as answer:
        return json.load(answer)


def eventually(probe: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS, every: float = 0.2) -> T:
    """The first truthy result of `probe`, which is called until it has one. Servers take long to start on a machine that runs other tests."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := probe():
            return found
        time.sleep(every)
    raise AssertionError("the condition was not met in time")


def fill(page: Page, labels: dict[str, str]) -> None:
    for label, value in labels.items():
        fill_in(page.get_by_label(label, exact=True), value)


ENGLISH = {
    "First name": NAME[0],
    "Last name": NAME[1],
    "Email": "english@example.org",
    "Address": "123 Church Street",
    "City": "Ottawa",
    "Province or territory": "Ontario",
    "Postal code": "k1a 0b1",
}
FRENCH = {
    "Prénom": NAME[0],
    "Nom": NAME[1],
    "Courriel": "francais@example.org",
    "Adresse": "123, rue de l’Église",
    "Ville": "Montréal",
    "Province ou territoire": "Québec",
    "Code postal": "h2x1y4",
}


def email_to(stack: DevStack, address: str) -> dict[str, Any] | None:
    return next((m for m in get_json(stack.addresses["mailbox"] + "/mails.json") if address in m["to"]), None)


def receipt_words(stack: DevStack, email: dict[str, Any]) -> str:
    with urlopen(f"{stack.addresses['mailbox']}/mails/{email['id']}/attachments/0", timeout=5) as answer:
        text = " ".join(p.extract_text() for p in PdfReader(BytesIO(answer.read())).pages)
    return re.sub(r"\s+", " ", text.replace("\u00a0", " "))


def donate_in_english(stack: DevStack, page: Page) -> None:
    errors = errors_of(page)
    page.goto(f"{stack.settings['BASE_URL']}/en/{SLUG}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vision Sanâa and Richard")
    assert_accessible(page)
    assert_fits_phone(page)
    page.get_by_text("$100 becomes $200").click()
    expect(page.get_by_role("radio", name="$100 becomes $200")).to_be_checked()
    expect(page.locator("#quote")).to_have_text("Your gift of $100 + $100 matched = $200.")
    page.get_by_role("button", name="Give $100").click()
    expect(page.get_by_role("alert")).to_contain_text("Please check the form")
    assert_accessible(page)
    assert_fits_phone(page)
    fill(page, ENGLISH)
    page.get_by_role("button", name="Give $100").click()
    expect(page.get_by_label("Card number")).to_be_visible()  # Our own page has a note that it is a test, too.
    expect(page.get_by_role("note")).to_contain_text("TEST")
    assert_accessible(page)
    fill(page, {"Card number": "4000 0000 0000 0002", "Expiry (MM / YY)": "12 / 34", "Security code": "123"})
    page.get_by_role("button", name="Donate").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    fill(page, {"Card number": "4242 4242 4242 4242"})
    page.get_by_role("button", name="Donate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Thank you, {NAME[0]}")
    expect(page.get_by_text("is added to your gift of $100: research receives $200.")).to_be_visible()
    expect(page.get_by_role("link", name="Open the official receipt (PDF)")).to_be_visible(timeout=PATIENCE_SECONDS * 1000)
    assert_accessible(page)
    assert_fits_phone(page)
    email = eventually(lambda: email_to(stack, "english@example.org"))
    assert f"{NAME[0]} {NAME[1]}" in receipt_words(stack, email)
    assert [e for e in errors if "402" not in e and "422" not in e] == []


def donate_in_french_without_javascript(stack: DevStack, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{stack.settings['BASE_URL']}/fr/{SLUG}")
    page.get_by_text("100\u00a0$ devient 200\u00a0$").click()
    fill(page, FRENCH)
    page.get_by_role("button", name="Continuer vers le paiement").click()
    expect(page.get_by_role("note")).to_contain_text("ESSAI")
    page.get_by_role("link", name="Revenir sans payer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ce don n’a pas été mené à terme")
    expect(page.get_by_text("Le paiement n’a pas été fait")).to_be_visible()
    page.get_by_role("link", name="Terminer mon don").click()
    page.get_by_role("button", name="Donner 100\u00a0$").click()
    fill(page, {"Numéro de carte": "4242424242424242", "Expiration (MM / AA)": "12/34", "Code de sécurité": "123"})
    page.get_by_role("button", name="Donner").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Merci, {NAME[0]}")
    expect(page.get_by_text("Grâce à votre don, la recherche reçoit 200\u00a0$", exact=True)).to_be_visible()
    context.close()
    email = eventually(lambda: email_to(stack, "francais@example.org"))
    assert email["attachments"][0].startswith("recu-")
    labels = receipt_words(stack, email)
    assert f"{NAME[0]} {NAME[1]}" in labels
    assert "Reçu officiel de don aux fins de l’impôt sur le revenu" in labels


def check_api_totals(stack: DevStack) -> None:
    found = get_json(f"{stack.settings['BASE_URL']}/api/campaigns/{SLUG}")
    assert (found["donated_cents"], found["matched_cents"], found["raised_cents"], found["donations"], found["donors"]) == (
        200_00,
        200_00,
        400_00,
        2,
        2,
    )


def check_campaign_page_totals(stack: DevStack, page: Page) -> None:
    page.goto(f"{stack.settings['BASE_URL']}/fr/{SLUG}")
    expect(page.locator(".raised")).to_contain_text("400\u00a0$")
    assert_accessible(page)


def code_of(key: str, *, at: float) -> str:
    secret = base64.b32decode(key.replace("-", "").replace(" ", "").upper() + "=" * (-len(key.replace("-", "").replace(" ", "")) % 8))
    mac = hmac.new(secret, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    start = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def sign_in_as_staff_and_check_totals(stack: DevStack, page: Page) -> None:
    link = command(stack, "staff", "add", "admin@example.org", "--role", "admin")
    page.goto(f"{stack.settings['BASE_URL']}/staff/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto(link)
    fill(page, {"New password": "short", "The same again": "short"})
    page.get_by_role("button", name="Keep this password").click()
    expect(page.locator(".error").first).to_contain_text("12")
    assert_accessible(page)
    password = "three quiet herons at dawn"
    fill(page, {"New password": password, "The same again": password})
    page.get_by_role("button", name="Keep this password").click()
    expect(page.get_by_text("Step 2 of 3")).to_be_visible()
    key = page.locator("#totp-key").inner_text()
    assert_accessible(page)
    assert_fits_phone(page)
    fill(page, {"Code from the app": "000000"})
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".error")).to_contain_text("six digits")
    expect(page.locator("#totp-key")).to_have_text(key)
    fill(page, {"Code from the app": code_of(key, at=time.time())})
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Step 3 of 3")).to_be_visible()
    assert_accessible(page)
    assert_fits_phone(page)
    page.get_by_label("I have stored them").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#given")).to_have_text("$200.00")
    expect(page.locator("#matched")).to_have_text("$200.00")
    expect(page.locator("#raised")).to_have_text("$400.00")
    expect(page.locator("#left")).to_have_text("$49,800.00")
    expect(page.locator("#today")).to_have_text("$200.00")
    expect(page.get_by_role("cell", name=f"{NAME[0]} {NAME[1]}").first).to_be_visible()
    # Balance transactions are polled every 50 seconds. Loading a page in a browser is work.
    eventually(lambda: page.reload() and page.locator("#fees").inner_text() == "$6.40", every=3)
    assert_accessible(page)
    assert_fits_phone(page)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Donation of {NAME[0]}")
    expect(page.get_by_text("$100 was matched")).to_be_visible()
    assert_accessible(page)
    assert_fits_phone(page)
    page.goto(f"{stack.settings['BASE_URL']}/staff/?lang=fr")
    expect(page.locator("#raised")).to_have_text("400,00\u00a0$")
    assert_accessible(page)
    page.get_by_role("button", name="Fermer la session").click()
    page.goto(f"{stack.settings['BASE_URL']}/staff/")
    expect(page.get_by_role("button", name="Ouvrir une session")).to_be_visible()
    page.goto(link)
    expect(page.get_by_label("New password")).to_have_count(0)


def open_funder_report(stack: DevStack, page: Page) -> None:
    link = command(stack, "funder", "link", "sanaa-richard")
    page.goto(link)
    assert "/links/" not in page.url
    expect(page.locator("#pledged")).to_have_text("$50,000.00")
    expect(page.locator("#matched")).to_have_text("$200.00")
    expect(page.locator("#left")).to_have_text("$49,800.00")
    expect(page.get_by_text("2 gifts matched")).to_be_visible()
    assert NAME[1] not in page.content()
    assert_accessible(page)
    assert_fits_phone(page)
    page.goto(f"{stack.settings['BASE_URL']}/funder/?lang=fr")
    expect(page.locator("#matched")).to_have_text("200,00\u00a0$")
    assert_accessible(page)
    page.goto(f"{stack.settings['BASE_URL']}/funder/?lang=fr&as_of=2020-01-01")
    expect(page.locator("#as_of-error")).to_be_visible()
    assert_accessible(page)
    table = page.request.get(f"{stack.settings['BASE_URL']}/funder/report.csv")
    assert table.body().decode("utf-8-sig").splitlines()[0].startswith('"Numéro";"Jour";"Heure";"Quoi";"Pourquoi";"Référence";"Montant"')
    assert ";200,00;49800,00;" in table.body().decode("utf-8-sig").splitlines()[-1]
    printed = page.request.get(f"{stack.settings['BASE_URL']}/funder/report.pdf?lang=en")
    assert "$49,800.00" in " ".join(p.extract_text() for p in PdfReader(BytesIO(printed.body())).pages)


def check_revoked_link(stack: DevStack, page: Page) -> None:
    first = command(stack, "funder", "link", "sanaa-richard")
    page.goto(first)
    command(stack, "funder", "link", "sanaa-richard", "--revoke")
    for url, status in ((f"{stack.settings['BASE_URL']}/funder/", 403), (first, 404)):
        response = page.goto(url)
        assert response and response.status == status
    assert_accessible(page)


def donate_with_markup_in_the_name(stack: DevStack, page: Page) -> None:
    page.goto(f"{stack.settings['BASE_URL']}/en/{SLUG}?amount=5")
    fill(page, {**ENGLISH, "First name": "<b>Zoë</b>", "Last name": "=1+1", "Email": "odd@example.org"})
    page.get_by_role("button", name="Give $5").click()
    page.get_by_label("Card number").fill("4242424242424242")
    page.get_by_role("button", name="Donate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, <b>Zoë</b>")
    email = eventually(lambda: email_to(stack, "odd@example.org"))
    assert "<b>Zoë</b> =1+1" in receipt_words(stack, email)


def donate(stack: DevStack, page: Page, language: str, amount: str, email: str) -> str:
    """Donate by the form and pay; return the URL of the donation page."""
    labels, card, press = (FRENCH, "Numéro de carte", "Donner") if language == "fr" else (ENGLISH, "Card number", "Donate")
    page.goto(f"{stack.settings['BASE_URL']}/{language}/{SLUG}?amount={amount}")
    fill(page, {**labels, "Courriel" if language == "fr" else "Email": email})
    page.locator("form button[type=submit]").last.click()
    page.get_by_label(card).fill("4242424242424242")
    page.get_by_role("button", name=press).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(NAME[0])
    return page.url.partition("#")[0]


def call_stripe(stack: DevStack, path: str, **sent: str) -> Any:
    """Call the Stripe API, as the charity does from its dashboard."""
    request = Request(f"{stack.settings['STRIPE_API_BASE']}/v1/{path}", data=urlencode(sent).encode() if sent else None)
    request.add_header("Authorization", f"Bearer {stack.settings['STRIPE_SECRET_KEY']}")
    with urlopen(request, timeout=5) as answer:
        return json.load(answer)


def refund_one_donation_and_rematch_another(stack: DevStack, browser: Browser) -> None:
    first, second = new_page(browser), new_page(browser)
    first_page = donate(stack, first, "en", "25000", "first@example.org")
    second_page = donate(stack, second, "fr", "25000", "seconde@example.org")
    expect(second.get_by_text("24\u00a0795\u00a0$").first).to_be_visible()
    assert_accessible(second)
    second.goto(f"{stack.settings['BASE_URL']}/fr/{SLUG}")
    expect(second.get_by_text("becomes").or_(second.get_by_text("devient"))).to_have_count(0)
    paid = next(s for s in call_stripe(stack, "checkout/sessions")["data"] if s["customer_email"] == "first@example.org")
    call_stripe(stack, "refunds", payment_intent=paid["payment_intent"], amount="100000")
    eventually(lambda: get_json(first_page + ".json")["state"] == "partially_refunded")
    assert get_json(first_page + ".json")["matched_cents"] == 24_000_00
    assert get_json(second_page + ".json")["matched_cents"] == 25_000_00
    first.goto(first_page)
    second.goto(second_page)
    expect(second.get_by_text("205\u00a0$").first).to_be_visible()
    for page in (first, second):
        assert_accessible(page)
        assert_fits_phone(page)
    emails = eventually(lambda: [m for m in get_json(stack.addresses["mailbox"] + "/mails.json") if "seconde@example.org" in m["to"]][1:])
    assert len(emails) == 1


def check_books(stack: DevStack) -> None:
    assert command(stack, "check-books") == ""


def open_mailbox(stack: DevStack, page: Page) -> None:
    page.goto(stack.addresses["mailbox"])
    assert_accessible(page)
    page.get_by_role("link", name="[ESSAI] Votre reçu officiel de don").first.click()
    expect(page.get_by_role("link", name=re.compile("recu-.*pdf"))).to_be_visible()
    expect(page.frame_locator("iframe").get_by_text(f"Bonjour {NAME[0]}")).to_be_visible()


def test_donations_from_the_donors_form_to_the_funders_report(stack: DevStack, browser: Browser) -> None:
    """With the privileges of the service alone."""
    with stack.service().app_context():
        assert not is_owner(db.session.connection())
        close_connections()
    donate_in_english(stack, new_page(browser))
    donate_in_french_without_javascript(stack, browser)
    check_api_totals(stack)
    check_campaign_page_totals(stack, new_page(browser))
    sign_in_as_staff_and_check_totals(stack, new_page(browser))
    open_funder_report(stack, new_page(browser))
    check_revoked_link(stack, new_page(browser))
    donate_with_markup_in_the_name(stack, new_page(browser))
    open_mailbox(stack, new_page(browser))
    refund_one_donation_and_rematch_another(stack, browser)
    check_books(stack)


def is_up(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("name", ["mailbox", "web"])
def test_a_child_process_that_dies_is_restarted_within_five_seconds(stack: DevStack, name: str) -> None:
    reports: list[str] = []
    stack.report = reports.append
    stack._ending.clear()
    watcher = threading.Thread(target=stack.watch, daemon=True)
    watcher.start()
    part = next(part for part in stack.children if part.name == name)
    assert part.process
    orphans = children_of(part.process.pid)
    os.kill(part.process.pid, signal.SIGKILL)
    eventually(lambda: any(f"{name} was restarted" in line for line in reports))
    assert any(f"{name} died (signal SIGKILL)" in line for line in reports)
    assert [pid for pid in orphans if command_of(pid)] == [], "children of the killed process would serve requests beside its successor"
    stack.stop_watching()
    watcher.join(PATIENCE_SECONDS)
    eventually(lambda: is_up(stack.settings["BASE_URL"] + "/readyz") and is_up(stack.addresses["mailbox"]))
