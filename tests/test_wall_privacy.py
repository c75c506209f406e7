"""No public page, file or answer names a donor who is anonymous, and of the others each shows what they agreed to: canaries on every public route.

A route that is added is crawled by itself, or has to be named here with the reason why it is not.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader

from campaign.campaigns.campaigns import Campaign
from campaign.donations import wall_actions, wall_entries
from campaign.donations.donations import Donation
from campaign.donations.wall_entries import WallEntry
from campaign.edges import pdf, png
from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import Fund
from campaign.web.public import wall_choice
from tests.factories import confirm_charity, issue_receipt, paid, pay
from tests.wall import agree, gifts_page, retained, show
from tests.web import SLUG, grant_access, open_page, send

ANONYMOUS = {
    "first_name": "Canaryafirst",
    "last_name": "Canaryalast",
    "public_name": "Canaryapublic",
    "email": "canaryamail@example.org",
    "address_line1": "1 Canaryastreet",
    "city": "Canaryacity",
    "tribute_kind": "memory",
    "tribute_name": "Canaryatribute",
    "message": "Canaryamessage",
    "amount": "1,437.91",
}
NAMED = {
    "first_name": "Canarybfirst",
    "last_name": "Canaryblast",
    "public_name": "Canarybpublic",
    "email": "canarybmail@example.org",
    "address_line1": "1 Canarybstreet",
    "city": "Canarybcity",
    "tribute_kind": "memory",
    "tribute_name": "Canarybtribute",
    "message": "Canarybmessage",
    "amount": "2,713.53",
}
CONSENTED = {"Canarybpublic", "Canarybtribute"}
AMOUNTS = ("1,437.91", "1 437,91", "143791", "2,713.53", "2 713,53", "271353")
# The pages of one donor, by secret links that are mailed to them; and the ways to sign in, which show nobody.
SECRET = {
    "donation_page.page",
    "donation_page.data",
    "donation_page.proof",
    "receipt_page.address",
    "receipt_page.pdf",
    "wall_choice.choose",
    "donor_access.use",
    "contact_page.confirm_email",
    "contact_page.address",
    "card_page",
    "recurring_page.page",
    "news_page.withdraw",
}
SIGNING_IN = {"funder_report.enter", "funder_reports.by_mail", "security"}


def public_views(app: Flask) -> Iterator[tuple[str, str]]:
    """The endpoint and the rule of each route that anybody, or a funder, may get."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        is_open = getattr(view, "access", "public" if rule.endpoint.startswith("security.") else "") in {"public", "funder"}
        if is_open and "GET" in (rule.methods or ()) and not {rule.endpoint, rule.endpoint.partition(".")[0]} & (SECRET | SIGNING_IN):
            yield rule.endpoint, rule.rule


def with_each_choice(rule: str) -> list[str]:
    """The rule with each value of the parts that have a list of them, such as the language."""
    listed = re.search(r"<any\(([^)]*)\):\w+>", rule)
    if listed is None:
        return [rule]
    return [path for value in listed[1].split(",") for path in with_each_choice(rule.replace(listed[0], value))]


def addresses(app: Flask, code: str) -> set[str]:
    """Each of these routes in both languages."""
    values = {"<slug>": SLUG, "<code>": code, "<period>.<form>": "2026-01.csv", "<int:number>": "1", "<digest>": "0" * 64}
    found = set[str]()
    for _, rule in public_views(app):
        for path in with_each_choice(rule):
            for name, value in values.items():
                path = path.replace(name, value)  # noqa: PLW2901  # one place after the other
            assert "<" not in path, f"a route that is not crawled: {rule}"
            found |= {path, *(f"{path}?{query}={language}" for query in ("lang", "page") for language in ("en", "fr"))}
    return {*found, *(f"/{language}/{SLUG}/quote?amount=100" for language in ("en", "fr"))}


def text_of(path: str, data: bytes) -> str:
    """What can be read in an answer, whatever its form."""
    if path.partition("?")[0].endswith(".pdf") and data.startswith(b"%PDF"):
        return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return " ".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    return data.decode("utf-8", "replace")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is drawn as a picture or a document, as the renderer gets it."""
    found, draw, render = list[str](), png.draw, pdf.render

    def note_picture(template: Any, data: str, *of: Any, **named: Any) -> bytes:
        found.append(data)
        return draw(template, data, *of, **named)

    def note_document(template: Any, data: Any, *of: Any, **named: Any) -> bytes:
        found.append(str(data))
        return render(template, data, *of, **named)

    monkeypatch.setattr(png, "draw", note_picture)
    monkeypatch.setattr(pdf, "render", note_document)
    return found


def give(client: FlaskClient, fields: dict[str, str], **choices: str) -> Donation:
    """The gift from the form to its payment."""
    answer = send(client, "en", **fields, **choices)
    assert answer.status_code == 303, answer.text
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    pay(donation)
    db.session.commit()
    return donation


@pytest.fixture
def gifts(app: Flask, client: FlaskClient, campaign: Campaign) -> tuple[Donation, Donation]:
    """That of somebody anonymous and that of somebody named, which everybody sees, among others."""
    confirm_charity()
    anonymous = give(client, ANONYMOUS, on_wall="y", anonymous="y")
    named = give(client, NAMED, on_wall="y", show_province="y", show_tribute="y")
    others = [paid(campaign, 50_00) for _ in range(3)]
    agree(anonymous, named)
    show(anonymous, named)
    for donation in (anonymous, named, *others):
        issue_receipt(donation)
    db.session.commit()
    return anonymous, named


def crawl(app: Flask, fund: Fund, code: str, drawn: list[str]) -> dict[str, str]:
    """Everything that anybody and the funder can read, by address, with its headers."""
    client = app.test_client()
    url = access_links.create_link(fund, actor="test")
    db.session.commit()
    client.get("/" + url.split("/", 3)[3])
    app.extensions.pop("drawings", None)
    found = dict[str, str]()
    for path in sorted(addresses(app, code)):
        answer = open_page(client, path)
        assert answer.status_code < 500 or path.startswith("/readyz"), path
        found[path] = f"{answer.headers} {text_of(path, answer.data)}".replace("\u00a0", " ")
    assert len(drawn) >= 4, "pictures and posters were drawn"
    return {**found, "what is drawn": " ".join(drawn)}


def canaries_in(faces: dict[str, str], prefix: str) -> set[tuple[str, str]]:
    """The canaries that can be read, each with where: one begins with its prefix, in any case."""
    return {(path, word.lower()) for path, text in faces.items() for word in re.findall(rf"\b{prefix}\w+", text, re.IGNORECASE)}


def code_of(donation: Donation) -> str:
    receipt = issue_receipt(donation)
    assert receipt
    return receipt.check_code


def test_an_anonymous_donor_is_on_no_face_and_a_named_one_with_what_they_agreed_to_alone(
    app: Flask, fund: Fund, gifts: tuple[Donation, Donation], drawn: list[str]
) -> None:
    anonymous, named = gifts
    faces = crawl(app, fund, code_of(anonymous), drawn)
    assert canaries_in(faces, "canarya") == set()
    assert {word for _, word in canaries_in(faces, "canaryb")} == {word.lower() for word in CONSENTED}
    walls = {path for path, _ in canaries_in(faces, "canaryb")}
    assert {path.partition("?")[0] for path in walls} == {f"/en/{SLUG}", f"/fr/{SLUG}", gifts_page("en"), gifts_page("fr")}
    for path in walls:
        assert [amount for amount in AMOUNTS if amount in faces[path]] == [], path
        assert [one for one in (anonymous, named) if one.public_id in faces[path] or one.token in faces[path]] == [], path
        assert ("Someone" in faces[path] or "Une personne" in faces[path], "2026-11-29T" in faces[path]) == (True, False)
    english, french = (re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", faces[gifts_page(language)])) for language in ("en", "fr"))
    assert "Canarybpublic Quebec In memory of Canarybtribute" in english
    assert "Canarybpublic Québec À la mémoire de Canarybtribute" in french


@pytest.mark.parametrize("guard", ["_name", "_is_shown"])
def test_control_without_a_guard_the_canaries_are_found(
    app: Flask, fund: Fund, gifts: tuple[Donation, Donation], drawn: list[str], monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    anonymous, _ = gifts
    db.session.get_one(WallEntry, anonymous.id).name = "Canaryapublic"
    code = code_of(anonymous)
    assert canaries_in(crawl(app, fund, code, drawn), "canarya") == set(), "a gift that is anonymous names nobody, whatever its entry says"
    if guard == "_name":
        monkeypatch.setattr(wall_entries, "_name", lambda: WallEntry.name)
    else:
        retained(anonymous.campaign, wall_entries.WallConsent(name="Canaryaundecided", shows_province=False, shows_tribute=False))
        monkeypatch.setattr(wall_entries, "_is_shown", lambda: (WallEntry.show_from.is_(None),))
    assert canaries_in(crawl(app, fund, code, drawn), "canarya") != set()


def test_nothing_on_the_pages_tells_when_or_which_gift(app: Flask, gifts: tuple[Donation, Donation]) -> None:
    answer = open_page(app.test_client(), gifts_page())
    assert {"Last-Modified", "ETag", "Age", "Expires"} & {name for name, _ in answer.headers} == set()
    assert answer.headers["Cache-Control"] == "private, no-store", "what is withdrawn is shown by no cache"
    [section] = re.findall(r'<ul class="gifts-shown">.*?</ul>', answer.text, re.DOTALL)
    assert set(re.findall(r"<(\w+)", section)) == {"ul", "li", "strong", "bdi", "span"}
    assert set(re.findall(r" ([\w-]+)=", section)) == {"class"}
    assert not re.search(r"\d", section)
    assert 'content="noindex, noarchive"' in answer.text and "data-nosnippet" in open_page(app.test_client(), f"/en/{SLUG}").text


def test_the_page_of_a_gift_says_what_is_shown_to_its_donor_alone(app: Flask, gifts: tuple[Donation, Donation]) -> None:
    anonymous, named = gifts
    stranger, donor = app.test_client(), app.test_client()
    page = open_page(stranger, f"/en/donations/{named.token}").text
    assert "Canarybpublic" not in page and "Ask for a link to see, change or withdraw that" in page
    grant_access(donor, named)
    page = open_page(donor, f"/en/donations/{named.token}").text
    assert "Canarybpublic" in page and "Canarybtribute" in page
    assert open_page(stranger, f"/en/donations/{named.token}/wall").status_code == 403
    assert wall_choice.shown_values(db.session.get_one(WallEntry, anonymous.id), anonymous)["name"] == ""
    wall_actions.withdraw(named)
    assert "Canarybpublic" not in open_page(donor, f"/en/donations/{named.token}").text
    assert [path for path in (f"/en/{SLUG}", gifts_page()) if "Canaryb" in open_page(stranger, path).text] == []
