"""One story from form to report, in a real browser and the whole running house: a gift in English, a gift in French, and all who see them."""

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
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pypdf import PdfReader

from campaign.embedded.house import House, free_port
from campaign.embedded.processes import command_of
from tests.story import ARGUMENTS, chromium_path

SLUG = "vision-sanaa-richard"
NAME = ("Sanâa Œuvré", "D'Arcy-Lévesque")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine"),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    var = tmp_path_factory.mktemp("a house with spaces")
    made = House(var, port=free_port(18000, taken=set()), say=print, given={})
    made.start()
    yield made
    made.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield made
        made.close()


def a_page(browser: Browser) -> Page:
    """A visitor of their own, whose browser tells of errors."""
    made = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    made.errors = []
    made.on("console", lambda message: made.errors.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: made.errors.append(str(error)))
    return made


def accessible(page: Page) -> None:
    found = Axe().run(page)
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]] == []


def fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1280, "height": 900})


def data_at(url: str) -> dict:
    with urlopen(url, timeout=5) as answer:
        return json.load(answer)


def eventually(probe: object, *, seconds: float = 30) -> object:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := probe():
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come about")


def fill(page: Page, words: dict[str, str]) -> None:
    for label, value in words.items():
        page.get_by_label(label, exact=True).fill(value)


ENGLISH = {
    "First name": NAME[0],
    "Last name": NAME[1],
    "E-mail": "english@example.org",
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


def mail_to(house: House, address: str) -> dict | None:
    return next((m for m in data_at(house.addresses["mailbox"] + "/mails.json") if address in m["to"]), None)


def receipt_words(house: House, mail: dict) -> str:
    with urlopen(f"{house.addresses['mailbox']}/mails/{mail['id']}/attachments/0", timeout=5) as answer:
        text = " ".join(p.extract_text() for p in PdfReader(BytesIO(answer.read())).pages)
    return re.sub(r"\s+", " ", text.replace("\u00a0", " "))


def a_gift_in_english(house: House, page: Page) -> None:
    page.goto(f"{house.settings['BASE_URL']}/en/{SLUG}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vision Sanâa and Richard")
    accessible(page)
    fits_a_phone(page)
    page.get_by_role("link", name="$100 becomes $200").click()
    expect(page.locator("#quote")).to_have_text("Your gift of $100 + $100 matched = $200.")
    page.get_by_role("button", name="Give $100").click()
    expect(page.get_by_role("alert")).to_contain_text("Please check what you wrote")
    accessible(page)
    fits_a_phone(page)
    fill(page, ENGLISH)
    page.get_by_role("button", name="Give $100").click()
    expect(page.get_by_role("note")).to_contain_text("TEST")
    accessible(page)
    fill(page, {"Card number": "4000 0000 0000 0002", "Expiry (MM / YY)": "12 / 34", "Security code": "123"})
    page.get_by_role("button", name="Donate").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    fill(page, {"Card number": "4242 4242 4242 4242"})
    page.get_by_role("button", name="Donate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Thank you, {NAME[0]}.")
    expect(page.get_by_text("is added to your gift of $100: research receives $200.")).to_be_visible()
    expect(page.get_by_role("link", name="Open the official receipt (PDF)")).to_be_visible(timeout=30_000)
    accessible(page)
    fits_a_phone(page)
    mail = eventually(lambda: mail_to(house, "english@example.org"))
    assert f"{NAME[0]} {NAME[1]}" in receipt_words(house, mail)
    assert [e for e in page.errors if "402" not in e and "422" not in e] == []


def a_gift_in_french_without_javascript(house: House, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{house.settings['BASE_URL']}/fr/{SLUG}")
    page.get_by_role("link", name="100\u00a0$ devient 200\u00a0$").click()
    expect(page.locator("#quote")).to_have_text("Votre don de 100\u00a0$ + 100\u00a0$ de jumelage = 200\u00a0$.")
    fill(page, FRENCH)
    page.get_by_role("button", name="Donner 100\u00a0$").click()
    expect(page.get_by_role("note")).to_contain_text("ESSAI")
    page.get_by_role("link", name="Revenir sans payer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ce don n’a pas été complété")
    expect(page.get_by_text("Vous êtes revenu sans payer")).to_be_visible()
    page.get_by_role("link", name="Donner de nouveau").click()
    page.get_by_role("button", name="Donner 100\u00a0$").click()
    fill(page, {"Numéro de carte": "4242424242424242", "Expiration (MM / AA)": "12/34", "Code de sécurité": "123"})
    page.get_by_role("button", name="Donner").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Merci, {NAME[0]}.")
    expect(page.get_by_text("la recherche reçoit 200\u00a0$")).to_be_visible()
    context.close()
    mail = eventually(lambda: mail_to(house, "francais@example.org"))
    assert mail["attachments"][0].startswith("recu-")
    words = receipt_words(house, mail)
    assert f"{NAME[0]} {NAME[1]}" in words
    assert "Reçu officiel de don aux fins de l'impôt sur le revenu" in words


def the_api_says_the_doubled_sum(house: House) -> None:
    found = data_at(f"{house.settings['BASE_URL']}/api/campaigns/{SLUG}")
    assert (found["donated_cents"], found["matched_cents"], found["raised_cents"], found["donations"], found["donors"]) == (
        200_00,
        200_00,
        400_00,
        2,
        2,
    )


def the_campaign_page_says_the_doubled_sum(house: House, page: Page) -> None:
    page.goto(f"{house.settings['BASE_URL']}/fr/{SLUG}")
    expect(page.locator(".raised")).to_contain_text("400\u00a0$")
    accessible(page)


def code_of(key: str, *, at: float) -> str:
    secret = base64.b32decode(key.replace("-", "").replace(" ", "").upper() + "=" * (-len(key.replace("-", "").replace(" ", "")) % 8))
    mac = hmac.new(secret, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    start = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def staff_come_by_a_one_time_link_with_a_second_factor_and_see_the_totals(house: House, page: Page) -> None:
    link = house.command("staff", "add", "admin@example.org", "--role", "admin")
    page.goto(f"{house.settings['BASE_URL']}/staff/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto(link)
    fill(page, {"New password": "short", "The same again": "short"})
    page.get_by_role("button", name="Keep this password").click()
    expect(page.locator(".error").first).to_contain_text("12")
    accessible(page)
    password = "three quiet herons at dawn"
    fill(page, {"New password": password, "The same again": password})
    page.get_by_role("button", name="Keep this password").click()
    page.goto(f"{house.settings['BASE_URL']}/staff/sign-in")
    accessible(page)
    fits_a_phone(page)
    fill(page, {"E-mail": "admin@example.org", "Password": password})
    page.get_by_role("button", name="Sign in").click()
    accessible(page)
    page.get_by_role("button", name="Show me the code to scan").click()
    key = page.locator("#totp-key").inner_text()
    accessible(page)
    fill(page, {"Code from the app": "000000"})
    page.get_by_role("button", name="Sign in").click()
    assert "/staff/" in page.url
    if not page.get_by_label("Code from the app").or_(page.get_by_label("Code of six digits")).is_visible():
        page.goto(f"{house.settings['BASE_URL']}/staff/sign-in")
    page.get_by_label("Code from the app").or_(page.get_by_label("Code of six digits")).fill(code_of(key, at=time.time()))
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#given")).to_have_text("$200.00")
    expect(page.locator("#matched")).to_have_text("$200.00")
    expect(page.locator("#raised")).to_have_text("$400.00")
    expect(page.locator("#left")).to_have_text("$49,800.00")
    expect(page.locator("#today")).to_have_text("$200.00")
    expect(page.get_by_role("cell", name=f"{NAME[0]} {NAME[1]}").first).to_be_visible()
    # Stripe's lines are read every 50 seconds.
    eventually(lambda: page.reload() and page.locator("#fees").inner_text() == "$6.40", seconds=75)
    accessible(page)
    fits_a_phone(page)
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Donation of {NAME[0]}")
    expect(page.get_by_text("$100 was matched")).to_be_visible()
    accessible(page)
    fits_a_phone(page)
    page.goto(f"{house.settings['BASE_URL']}/staff/?lang=fr")
    expect(page.locator("#raised")).to_have_text("400,00\u00a0$")
    accessible(page)
    page.get_by_role("button", name="Fermer la session").click()
    page.goto(f"{house.settings['BASE_URL']}/staff/")
    expect(page.get_by_role("button", name="Ouvrir une session")).to_be_visible()
    page.goto(link)
    expect(page.get_by_label("New password")).to_have_count(0)


def the_funder_opens_a_report_by_a_link(house: House, page: Page) -> None:
    link = house.command("funder", "link", "sanaa-richard")
    page.goto(link)
    assert "/links/" not in page.url
    expect(page.locator("#pledged")).to_have_text("$50,000.00")
    expect(page.locator("#matched")).to_have_text("$200.00")
    expect(page.locator("#left")).to_have_text("$49,800.00")
    expect(page.get_by_text("2 gifts matched")).to_be_visible()
    assert NAME[1] not in page.content()
    accessible(page)
    fits_a_phone(page)
    page.goto(f"{house.settings['BASE_URL']}/funder/report?lang=fr")
    expect(page.locator("#matched")).to_have_text("200,00\u00a0$")
    accessible(page)
    table = page.request.get(f"{house.settings['BASE_URL']}/funder/report.csv")
    assert table.body().decode("utf-8-sig").splitlines()[0] == "Jour,Dons jumelés,Jumelé (CAD)"
    assert table.body().decode("utf-8-sig").splitlines()[1].endswith(",2,200.00")
    printed = page.request.get(f"{house.settings['BASE_URL']}/funder/report.pdf?lang=en")
    assert "$49,800.00" in " ".join(p.extract_text() for p in PdfReader(BytesIO(printed.body())).pages)


def a_revoked_link_opens_nothing(house: House, page: Page) -> None:
    first = house.command("funder", "link", "sanaa-richard")
    page.goto(first)
    house.command("funder", "link", "sanaa-richard", "--revoke")
    assert page.goto(f"{house.settings['BASE_URL']}/funder/report").status == 404
    assert page.goto(first).status == 404
    accessible(page)


def a_frightening_name_is_shown_as_it_is(house: House, page: Page) -> None:
    page.goto(f"{house.settings['BASE_URL']}/en/{SLUG}?amount=5")
    fill(page, {**ENGLISH, "First name": "<b>Zoë</b>", "Last name": "=1+1", "E-mail": "odd@example.org"})
    page.get_by_role("button", name="Give $5").click()
    page.get_by_label("Card number").fill("4242424242424242")
    page.get_by_role("button", name="Donate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, <b>Zoë</b>.")
    mail = eventually(lambda: mail_to(house, "odd@example.org"))
    assert "<b>Zoë</b> =1+1" in receipt_words(house, mail)


def give(house: House, page: Page, language: str, amount: str, email: str) -> str:
    """A gift from the form to the donor's own page, whose address comes back."""
    words, card, press = (FRENCH, "Numéro de carte", "Donner") if language == "fr" else (ENGLISH, "Card number", "Donate")
    page.goto(f"{house.settings['BASE_URL']}/{language}/{SLUG}?amount={amount}")
    fill(page, {**words, "Courriel" if language == "fr" else "E-mail": email})
    page.locator("form button[type=submit]").last.click()
    page.get_by_label(card).fill("4242424242424242")
    page.get_by_role("button", name=press).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(NAME[0])
    return page.url.partition("#")[0]


def at_stripe(house: House, path: str, **sent: str) -> dict:
    """What the charity would do in Stripe's own dashboard."""
    asked = Request(f"{house.settings['STRIPE_API_BASE']}/v1/{path}", data=urlencode(sent).encode() if sent else None)
    asked.add_header("Authorization", f"Bearer {house.settings['STRIPE_SECRET_KEY']}")
    with urlopen(asked, timeout=5) as answer:
        return json.load(answer)


def a_gift_matched_in_part_is_healed_when_another_is_refunded(house: House, browser: Browser) -> None:
    first, second = a_page(browser), a_page(browser)
    its_page = give(house, first, "en", "25000", "first@example.org")
    other_page = give(house, second, "fr", "25000", "seconde@example.org")
    expect(second.get_by_text("24\u00a0795\u00a0$").first).to_be_visible()
    accessible(second)
    second.goto(f"{house.settings['BASE_URL']}/fr/{SLUG}")
    expect(second.get_by_text("becomes").or_(second.get_by_text("devient"))).to_have_count(0)
    paid = next(s for s in at_stripe(house, "checkout/sessions")["data"] if s["customer_email"] == "first@example.org")
    at_stripe(house, "refunds", payment_intent=paid["payment_intent"], amount="100000")
    eventually(lambda: data_at(its_page + ".json")["state"] == "partially_refunded")
    assert data_at(its_page + ".json")["matched_cents"] == 24_000_00
    assert data_at(other_page + ".json")["matched_cents"] == 25_000_00
    first.goto(its_page)
    second.goto(other_page)
    expect(second.get_by_text("205\u00a0$").first).to_be_visible()
    for page in (first, second):
        accessible(page)
        fits_a_phone(page)
    mails = eventually(
        lambda: [m for m in data_at(house.addresses["mailbox"] + "/mails.json") if "seconde@example.org" in m["to"]][1:], seconds=90
    )
    assert len(mails) == 1


def the_books_are_right_at_the_end(house: House) -> None:
    assert house.command("check-books") == ""


def the_mailbox_shows_a_mail_with_its_attachment(house: House, page: Page) -> None:
    page.goto(house.addresses["mailbox"])
    accessible(page)
    page.get_by_role("link", name="[TEST] Merci de votre don").first.click()
    expect(page.get_by_role("link", name=re.compile("recu-.*pdf"))).to_be_visible()
    expect(page.frame_locator("iframe").get_by_text(f"Bonjour {NAME[0]}")).to_be_visible()


def test_one_story_from_the_donors_form_to_the_funders_report(house: House, browser: Browser) -> None:
    a_gift_in_english(house, a_page(browser))
    a_gift_in_french_without_javascript(house, browser)
    the_api_says_the_doubled_sum(house)
    the_campaign_page_says_the_doubled_sum(house, a_page(browser))
    staff_come_by_a_one_time_link_with_a_second_factor_and_see_the_totals(house, a_page(browser))
    the_funder_opens_a_report_by_a_link(house, a_page(browser))
    a_revoked_link_opens_nothing(house, a_page(browser))
    a_frightening_name_is_shown_as_it_is(house, a_page(browser))
    the_mailbox_shows_a_mail_with_its_attachment(house, a_page(browser))
    a_gift_matched_in_part_is_healed_when_another_is_refunded(house, browser)
    the_books_are_right_at_the_end(house)


def is_up(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return answer.status == 200
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
def test_a_child_that_dies_is_started_again_within_five_seconds(house: House, name: str) -> None:
    said: list[str] = []
    house.say = said.append
    house._ending.clear()
    watcher = threading.Thread(target=house.watch, daemon=True)
    watcher.start()
    part = next(part for part in house.parts if part.name == name)
    assert part.process
    orphans = children_of(part.process.pid)
    os.kill(part.process.pid, signal.SIGKILL)
    eventually(lambda: any(f"{name} was started again" in line for line in said), seconds=5)
    assert any(f"{name} died (signal SIGKILL)" in line for line in said)
    assert [pid for pid in orphans if command_of(pid)] == [], "children of the dead one would answer beside its successor"
    house.stop_watching()
    watcher.join(5)
    eventually(lambda: is_up(house.settings["BASE_URL"] + "/readyz") and is_up(house.addresses["mailbox"]))
