"""A corpus of names, addresses and email addresses through all of the service: shown literally everywhere, or refused at the form."""

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.receipts.receipts import Receipt
from campaign.reporting import spreadsheets
from tests.conftest import Post, Stripe
from tests.factories import pay, today
from tests.mail import body_of
from tests.web import FORM, SLUG, hidden_fields, signed_in

LONG = "Wolfeschlegelsteinhausenbergerdorff-Saint-Jean-Baptiste-de-la-Très-Longue-Rivi"
# As typed, and as it is stored when that is not the same.
TEXTS: tuple[tuple[str, str] | str, ...] = (
    # First names, so that names begin with them.
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "＝1＋1",
    "D’Arcy-Lévesque",
    "O'Brien",
    "李小龍",
    "محمد",
    "<b>Jane</b><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    ("\ufeffJane\u200b", "Jane"),
    ("  \u200fJane\u200e ", "Jane"),
    LONG,
    # Last names.
    "Nguyễn Thị Minh",
    "ᐃᓄᒃᑎᑐᑦ",
    "שָׂרָה",
    "सुनीता",
    "பாரதி",
    "Հայկ",
    "ქეთევანი",
    "สมชาย",
    "김철수",
    "さくら",
    "Łukasz Œnone Þórdís",
    ("Ame\u0301lie", "Amélie"),
    ("Ng\u006f\u0302\u0301c", "Ngốc"),
    ("Jane\u00a0Marie\u202fAnne", "Jane Marie Anne"),
    # Ends of last names.
    "&amp; &lt;i&gt; &#39;",
    '"Jo" \\ `Roy`',
    '#eval("1+1") $x^2$ *b* _i_ @ref',
    "%(email)s %s {0} {name!r} ${HOME}",
    "%0d%0aBcc: evil%40example.org",
    "Roy, Jane <evil@example.org>",
    "=?utf-8?q?Jane?=",
    "'; DROP TABLE donation; --",
    "../../etc/passwd",
    "https://evil.example/x",
    "null",
    "شیرین\u200cنام",
)
DONORS = 14
EMAILS: tuple[tuple[str, str] | str, ...] = (
    "jane+gifts@example.org",
    "j.a.n.e@mail.sub.example.org",
    ("Jane.Roy@EXAMPLE.org", "Jane.Roy@example.org"),
    ("jane@bücher.example.org", "jane@xn--bcher-kva.example.org"),
    "=1+1@example.org",
    "o'brien@example.org",
    "{x}%s@example.org",
    f"{'j' * 64}@example.org",
    "li@example.org",
    "j@example.org",
    "jane@xn--fiqs8s.example.org",
    "-jane-@example.org",
    "jane_roy@example.org",
    ("\ufeffjane.zwsp\u200b@example.org ", "jane.zwsp@example.org"),
)
# Field, what is typed, and the character that the error names.
REFUSED = (
    ("first_name", "Jane\r\nBcc: evil@example.org", "U+000D"),
    ("last_name", "Roy\nX-Header: 1", "U+000A"),
    ("organization", "A\x00B", "U+0000"),
    ("city", "Mont\u202eréal", "U+202E"),
    ("address_line1", "1\u2067 rue", "U+2067"),
    ("address_line2", "apt\t2", "U+0009"),
    ("first_name", "Jane 🤍", "U+1F90D"),
    ("last_name", "Roy ❤", "U+2764"),
    ("organization", "𝐆iving", "U+1D406"),
    ("city", "ⵜⵉⴼⵉ", "U+2D5C"),
    ("tribute_name", "Zoë 👩\u200d👧", "U+1F469"),
)
REFUSED_EMAILS = (
    '"jane roy"@example.org',
    "jane@localhost",
    "jane@example.org\r\nBcc: evil@example.org",
    "jané@example.org",
    "jane@-example.org",
    "jane@example.org, evil@example.org",
    "<jane@example.org>",
)


LANGUAGE_OF_ERRORS = {"en": re.compile(r"\bPlease\b|\bcannot\b"), "fr": re.compile(r"\bVeuillez\b|\bS’il vous plaît\b|\bne peut\b|\bpas\b")}


@dataclass
class Text(HTMLParser):
    """The text that a page shows, and its tags."""

    shown: list[str] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.shown += [value or "" for name, value in attrs if name == "value"]

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def text_of_page(page: str) -> str:
    parsed = Text()
    parsed.feed(page)
    parsed.close()
    assert (parsed.tags["script"] <= 1, parsed.tags["b"], parsed.tags["i"]) == (True, 0, 0)
    return " ".join(parsed.shown)


def spaceless(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFC", text))


def pair(entry: tuple[str, str] | str) -> tuple[str, str]:
    return entry if isinstance(entry, tuple) else (entry, entry)


def get(client: FlaskClient, path: str) -> bytes:
    with client.application.app_context():
        answer = client.get(path)
        assert answer.status_code == 200
        return bytes(answer.data)


def give(client: FlaskClient, language: str = "en", **fields: str) -> tuple[int, str]:
    with client.application.app_context():
        page = client.get(f"/{language}/{SLUG}")
    with client.application.app_context():
        answer = client.post(f"/{language}/{SLUG}/donations", data={**FORM, "amount": "5", **hidden_fields(page), **fields})
    return answer.status_code, answer.text


def people() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """What each donor types, and what is stored. Each text is in a name, and in an address or a tribute; every fourth name is an organization's."""
    pairs = [pair(entry) for entry in TEXTS]
    seconds = pairs[DONORS : 2 * DONORS]
    for number, first in enumerate(pairs[:DONORS]):
        last = joined(seconds[number], *pairs[2 * DONORS + number :: DONORS])
        shifted = pairs[number + 3 :: DONORS] + pairs
        entries = {"first_name": first, "last_name": last, "address_line1": shifted[0], "address_line2": shifted[1], "city": shifted[2]}
        if number % 4 == 3:
            entries |= {"organization": joined(first, last)}
        entries |= {"tribute_name": shifted[1], "tribute_kind": ("honour", "honour"), "email": pair(EMAILS[number])}
        yield {name: typed for name, (typed, _) in entries.items()}, {name: stored for name, (_, stored) in entries.items()}


def joined(*pairs: tuple[str, str]) -> tuple[str, str]:
    return " ".join(typed for typed, _ in pairs), " ".join(stored for _, stored in pairs)


def name_of(stored: dict[str, str]) -> str:
    return stored.get("organization") or f"{stored['first_name']} {stored['last_name']}"


def assert_in_pdf(name: str, pdf: bytes) -> None:
    """The text is printed literally; of scripts that are joined or written from the right, every letter is."""
    printed = spaceless("".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))
    for word in unicodedata.normalize("NFC", name).split():
        if any(unicodedata.category(c)[0] == "M" or unicodedata.bidirectional(c) in {"R", "AL"} for c in word):
            assert Counter(c for c in word if unicodedata.category(c)[0] == "L") <= Counter(printed), word
        else:
            assert word in printed, word


def assert_in_mail(donation: Donation, stored: dict[str, str], raw: bytes) -> None:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    (recipient,) = message["To"].addresses
    assert recipient.addr_spec == donation.email
    assert recipient.display_name in {name_of(stored), ""}
    if len(name_of(stored)) < 25 and not set(name_of(stored)) & set('\\"'):
        assert recipient.display_name
    for header in ("Subject", "From", "To", "Message-ID"):
        assert message.get_all(header, []) == [message[header]]
    assert message["Bcc"] is message["X-Header"] is None
    for body in (body_of(message, "plain"), text_of_page(body_of(message, "html"))):
        assert spaceless(stored.get("tribute_name", "")) in spaceless(body)
    assert message.defects == []


def begin_all(client: FlaskClient) -> list[tuple[Donation, dict[str, str]]]:
    begun = []
    for typed, stored in people():
        status, answer = give(client, organization_declaration="y", **typed)
        assert status == 303, (typed, text_of_page(answer))
        donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
        assert donation
        assert {name: getattr(donation, name) for name in stored} == stored, "the books"
        begun.append((donation, stored))
    return begun


def test_what_is_accepted_is_shown_literally_everywhere(
    app: Flask, campaign: Campaign, stripe: Stripe, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    begun = begin_all(client)
    for donation, _ in begun:
        pay(donation)
    db.session.commit()
    send_jobs.send_due()
    staff = signed_in(app, "manager")
    mails = {tuple(to): post.box.raw(number) for number, to, _, _ in post.box.newest(DONORS)}
    for donation, stored in begun:
        token, name = donation.token, name_of(stored)
        assert_in_pdf(name, get(client, f"/en/donations/{token}/receipt.pdf"))
        raw = mails[donation.email,]
        assert raw
        assert_in_mail(donation, stored, raw)
        assert spaceless(stored.get("first_name", "")) in spaceless(text_of_page(get(client, f"/en/donations/{token}").decode()))
        page = spaceless(text_of_page(get(staff, f"/staff/donations/{donation.public_id}").decode()))
        for shown in (name, *donation.address_lines, donation.email):
            assert spaceless(shown) in page
    names = [name_of(stored) for _, stored in begun]
    assert_exports(staff, names)
    for path in (".json", "/proof.json"):  # What funders get has no donors either: tests/test_statements.py.
        exported = json.dumps(json.loads(get(client, f"/en/donations/{begun[0][0].token}{path}")), ensure_ascii=False)
        assert [text for text in begun[0][1].values() if len(text) > 6 and text in exported] == []
    monkeypatch.setattr(spreadsheets, "_formula_safe", str)  # Control: an export without the guard is found.
    with pytest.raises(AssertionError):
        assert_exports(staff, names)


def assert_exports(staff: FlaskClient, names: list[str]) -> None:
    """The register as CSV and XLSX has every name; neither a spreadsheet nor a CSV reader finds a formula or another cell."""
    year = today().year
    rows = list(csv.reader(io.StringIO(get(staff, f"/staff/receipts/register.csv?year={year}").decode("utf-8-sig"))))[1:]
    assert [row[3].removeprefix("'") if row[3][1:2] in tuple("=+-@＝＋－＠") else row[3] for row in rows] == names
    assert {len(row) for row in rows} == {19}
    assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@＝＋－＠\t\r")] == []
    book = zipfile.ZipFile(io.BytesIO(get(staff, f"/staff/receipts/register.xlsx?year={year}")))
    space = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    sheet = ET.fromstring(book.read("xl/worksheets/sheet2.xml"))
    assert sheet.findall(".//x:f", space) == []
    cells = ["".join(cell.itertext()) for cell in sheet.findall(".//x:is", space)]
    assert [name for name in names if name not in cells] == []
    assert [name for name in book.namelist() if "hyperlink" in book.read(name).decode(errors="replace")] == []


def error_of(answer: tuple[int, str], name: str) -> str:
    status, page = answer
    found = re.search(rf'id="{name}-error"[^>]*>([^<]+)<', page)
    assert status == 422
    assert found
    return found[1]


def test_what_is_refused_is_named_in_both_languages_and_leaves_nothing_in_the_books(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    client = app.test_client()
    for language, words in LANGUAGE_OF_ERRORS.items():
        for name, typed, code in REFUSED:
            error = error_of(give(client, language, tribute_kind="honour", **{"tribute_name": "Zoë", name: typed}), name)
            assert (code in error, words.search(error) is not None) == (True, True), (name, typed, error)
        for typed in REFUSED_EMAILS:
            error = error_of(give(client, language, email=typed), "email")
            assert words.search(error), (typed, error)
    assert (db.session.query(Donation).count(), db.session.query(Receipt).count()) == (0, 0)
    assert db.session.query(Fund).one().held_cents == 0
