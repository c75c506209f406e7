"""What people type and paste: cleaned of what nobody sees, refused with the character named, and printable on every document once accepted."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from campaign.edges import pdf, smtp
from campaign.edges.pdf import RenderingFailed
from campaign.edges.smtp import OutgoingEmail
from campaign.receipts import render_jobs
from campaign.rules import typed_text
from campaign.web.public.address_form import AddressForm
from tests.scale import examples
from tools.sample_receipt import CONTENT

PERSON = {
    "first_name": "Jane",
    "last_name": "Roy",
    "address_line1": "1, rue Neuve",
    "city": "Laval",
    "province": "QC",
    "postal_code": "H2X 1Y4",
    "country": "CA",
}
AT = datetime(2026, 11, 1, tzinfo=UTC)
GENUINE = (
    "D’Arcy-Lévesque",
    "Nguyễn Thị Minh",
    "李小龍",
    "Œnone",
    "Łukasz",
    "Þórdís",
    "שָׂרָה",
    "محمد",
    "شیرین\u200cنام",
    "सुनीता",
    "பாரதி",
    "ქეთევანი",
    "Հայկ",
    "ᐃᓄᒃ",
    "สมชาย",
    "김철수",
    "さくら",
    "O’Brien",
    "Jr., Ph.D.",
    "X Æ",
)


def errors_of(app: Flask, **changed: str) -> dict[str, str]:
    """The errors of the form by field."""
    with app.test_request_context("/en/"):
        form = AddressForm("en", MultiDict({**PERSON, **changed}), meta={"csrf": False})
        assert form.validate() is not bool(form.all_errors())
        return dict(form.all_errors())


def render(name: str) -> bytes:
    return render_jobs.render_page(replace(CONTENT, donor_name=name), render_jobs.Pictures(), serial="2026-000001", mark="", at=AT)


def mail_to(name: str, address: str = "jane@example.org") -> OutgoingEmail:
    return OutgoingEmail(
        message_id="<one@example.org>",
        at=AT,
        sender="gifts@example.org",
        sender_name="Fondation canadienne du SGB et de la PIDC",
        recipient=address,
        recipient_name=name,
        language="fr",
        subject="Votre reçu",
        text="Merci",
        html="<p>Merci</p>",
    )


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("\ufeffJane", "Jane"),
        ("Ja\u200bne", "Jane"),
        ("Tremblay\u00adRoy", "TremblayRoy"),
        ("Jane\u2028Marie", "Jane Marie"),
        ("Jane\u00a0Marie\u202fAnne", "Jane Marie Anne"),
        ("  Jane ", "Jane"),
        ("e\u0301", "é"),
        ("Jane\u200d", "Jane"),
        ("\u3164", ""),
        ("\u200e\u200f", ""),
        ("a\U000e0100", "a"),
        ("葛\U000e0100", "葛\U000e0100"),
        ("شیرین\u200cنام", "شیرین\u200cنام"),
        ("क्\u200dष", "क्\u200dष"),
    ],
)
def test_what_nobody_sees_is_cleaned_and_what_shapes_letters_is_kept(typed: str, cleaned: str) -> None:
    assert typed_text.clean(typed) == cleaned


def test_lines_have_one_kind_of_end_and_emoji_keep_their_colour() -> None:
    assert typed_text.clean_lines("\ufeffone\r\ntwo\rthree\u2028four\n") == "one\ntwo\nthree\nfour"
    assert typed_text.clean_lines("\u2764\ufe0f 👩\u200d👧") == "\u2764\ufe0f 👩\u200d👧"


@given(st.text(max_size=30))
@example("\u0301")
@example("\u200c\u200d\U000e0100")
def test_cleaning_twice_changes_nothing_and_keeps_every_visible_letter(text: str) -> None:
    once = typed_text.clean(text)
    assert typed_text.clean(once) == once
    letters = [
        c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c)[0] == "L" and ord(c) not in typed_text._NOTHING_INVISIBLE
    ]
    assert [c for c in unicodedata.normalize("NFD", once) if unicodedata.category(c)[0] == "L"] == letters


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("Jane ❤", "“❤” (U+2764) cannot be printed on a receipt"),
        ("𝐉ane", "“𝐉” (U+1D409) cannot be printed on a receipt"),
        ("ଓଡ଼ିଆ", "(U+0B13) cannot be printed"),
        ("ⵜⵉⴼⵉ", "(U+2D5C) cannot be printed"),
        ("ܣܘܪ", "(U+072A) cannot be printed"),
        ("Jane 🤍", "“🤍” (U+1F90D) cannot be used here"),
        ("Jane\u202e", "invisible character (U+202E)"),
        ("Jane\tMarie", "invisible character (U+0009)"),
        ("\ufffd", "could not be read"),
    ],
)
@pytest.mark.parametrize("field", ["first_name", "address_line2"])
def test_what_no_receipt_can_carry_is_refused_at_its_field_with_the_character_named(app: Flask, field: str, typed: str, named: str) -> None:
    errors = errors_of(app, **{field: typed})
    assert list(errors) == [field]
    assert named in errors[field]


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_letters_are_accepted_and_printed(app: Flask, name: str) -> None:
    assert errors_of(app, first_name=name) == {}
    assert render(name).startswith(b"%PDF")


def test_all_latin_letters_are_in_the_built_in_font() -> None:
    """They are accepted without a trial."""
    letters = [chr(code) for code in range(0x20, ord(pdf.LAST_OF_LATIN) + 1) if chr(code).isprintable()]
    assert pdf._is_latin("".join(letters))
    assert pdf._first_unprintable("\n".join(letters)) == ""


def a_character_of_each_block() -> Iterator[str]:
    """One assigned character in each block of 128, of 256 beyond the first; and of the thousands of Chinese and Korean ones only a few."""
    for block in (*range(0, 0x3000, 0x80), *range(0x3000, 0x20000, 0x100)):
        if 0x4E80 <= block < 0x9F80 or 0xAC80 <= block < 0xD700:
            continue
        assigned = [chr(c) for c in range(block, block + 0x80) if unicodedata.category(chr(c)) not in {"Cn", "Cs", "Co", "Cc"}]
        yield from assigned[len(assigned) // 2 :][:1]


def test_in_each_block_of_unicode_what_the_form_accepts_is_what_the_receipt_prints(app: Flask) -> None:
    accepted: list[str] = []
    refused: list[str] = []
    for character in a_character_of_each_block():
        name = typed_text.clean(f"R{character}y")
        (refused if errors_of(app, last_name=name) else accepted).append(name)
    assert (len(accepted) > 70, len(refused) > 70) == (True, True)
    assert render(" ".join(accepted)).startswith(b"%PDF")
    for name in refused[::4]:
        if not typed_text.first_forbidden(name):
            with pytest.raises(RenderingFailed):
                render(name)
    for name in accepted:
        assert_carried(name)


def assert_carried(name: str, address: str = "jane@example.org") -> None:
    """The email has one recipient, named as the donor or not at all, and all of its parts."""
    sent = message_from_bytes(smtp.build_message(mail_to(name, address)).as_bytes(), policy=policy.default)
    (recipient,) = sent["To"].addresses
    assert recipient.display_name in {name, ""}
    assert (recipient.addr_spec, sent["Subject"]) == (address, "Votre reçu")
    assert [part.get_content().strip() for part in sent.iter_parts()] == ["Merci", "<p>Merci</p>"]
    assert sent.defects == []


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=161).map(typed_text.clean))
@example("é" * 80 + " " + "è" * 80)
@example("x" * 80 + " " + "y" * 80)
@example("李" * 80 + " " + "龍" * 80)
@example('Jo "the" Roy')
@example("=?utf-8?q?Jane?=")
@example("Roy, Jane <jane@example.com>")
@settings(max_examples=examples(30), deadline=None)
def test_no_name_breaks_the_header_of_an_email(name: str) -> None:
    assert_carried(name)


@given(st.text(st.sampled_from("aé –[]â1 "), min_size=1, max_size=120).map(str.strip).filter(bool))
@example("[ESSAI] Vos coordonnées ont été modifiées – Vision Sanâa et Richard")
@settings(deadline=None)
def test_no_subject_loses_a_space_or_an_accent(subject: str) -> None:
    sent = smtp.build_message(replace(mail_to("Jane"), subject=subject)).as_bytes()
    raw = re.split(rb"\n(?=\S)", sent.split(b"\nSubject: ")[1])[0].decode()
    assert str(make_header(decode_header(raw.replace("\n ", " ")))).split() == subject.split()
    assert message_from_bytes(sent, policy=policy.default)["Subject"].split() == subject.split()


def test_short_names_stay_in_the_header_and_control_without_the_check_a_long_one_is_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = message_from_bytes(smtp.build_message(mail_to("Zoë D’Arcy-Lévesque")).as_bytes(), policy=policy.default)
    assert sent["To"].addresses[0].display_name == "Zoë D’Arcy-Lévesque"
    monkeypatch.setattr(smtp, "_is_carried", lambda _: True)
    with pytest.raises(AssertionError):
        assert_carried("é" * 80 + " " + "è" * 80)
