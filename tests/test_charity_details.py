"""What is not real about a charity's details, and which pictures are signatures."""

import warnings
import zlib
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from campaign.campaigns.campaigns import Campaign
from campaign.edges.pictures import flaw_of
from campaign.receipts import charity_confirmations
from campaign.rules.charity_details import (
    CONFIRMED,
    CONTACTS,
    EXAMPLES,
    PICTURES,
    CharityDetails,
    Detail,
    Finding,
    Problem,
    fingerprint_of,
    list_findings,
)
from campaign.rules.pictures import LEAST_HEIGHT, LEAST_WIDTH, PictureFlaw
from tests.factories import REAL_DETAILS, png_picture, set_real_details

REAL = CharityDetails(**{**REAL_DETAILS, "address": tuple(REAL_DETAILS["address"])}, signature="hash")
RESERVED_HOSTS = ("example.org", "www.Example.com", "charity.example", "charity.invalid", "charity.test", "mail.localhost")
NOT_REAL: list[tuple[Detail, Any, Problem]] = [
    *[(Detail(name), value, Problem.EXAMPLE) for name, value in vars(EXAMPLES).items()],
    *[(detail, " ", Problem.MISSING) for detail in Detail if detail not in {Detail.ADDRESS, *PICTURES}],
    (Detail.ADDRESS, (), Problem.MISSING),
    *[
        (detail, text, Problem.NO_LETTERS)
        for detail in (Detail.LEGAL_NAME, Detail.PLACE_OF_ISSUE, Detail.SIGNATORY_NAME)
        for text in ("??", "٣٤")
    ],
    (Detail.ADDRESS, ("100 Example Street", "Ottawa ON  K1P 1A1"), Problem.EXAMPLE),
    (Detail.ADDRESS, ("3, rue de l’Exemple", "Montréal QC  H2X 1Y4"), Problem.EXAMPLE),
    (Detail.ADDRESS, ("1 Real Street, Ottawa ON K1P 1A1", " "), Problem.ONE_LINE),
    (Detail.ADDRESS, ("1 Real Street", "Ottawa ON"), Problem.NO_POSTAL_CODE),
    (Detail.ADDRESS, ("1 Real Street", "Seattle WA 98101"), Problem.NO_POSTAL_CODE),
    (Detail.ADDRESS, ("100 EXAMPLE Street,  suite 200", "Ottawa ON  K1P 1A1"), Problem.EXAMPLE),
    (Detail.REGISTRATION_NUMBER, "123456782RR0000", Problem.WRONG_FORM),
    (Detail.REGISTRATION_NUMBER, "123456782RC0001", Problem.WRONG_FORM),
    (Detail.REGISTRATION_NUMBER, "123456789RR0001", Problem.WRONG_CHECK_DIGIT),
    (Detail.REGISTRATION_NUMBER, "132456782RR0001", Problem.WRONG_CHECK_DIGIT),
    (Detail.REGISTRATION_NUMBER, "000000000RR0002", Problem.WRONG_CHECK_DIGIT),
    (Detail.PLACE_OF_ISSUE, "1 Real Street", Problem.WHOLE_ADDRESS),
    (Detail.PLACE_OF_ISSUE, "1 Real Street, Ottawa", Problem.WHOLE_ADDRESS),
    (Detail.PLACE_OF_ISSUE, "Ottawa k1p1a1", Problem.WHOLE_ADDRESS),
    (Detail.SIGNATORY_TITLE_EN, "President (Example)", Problem.EXAMPLE),
    (Detail.LEGAL_NAME, "Nerve\u202eResearch", Problem.FORBIDDEN),
    (Detail.NAME_FR, "Fondation\ndes nerfs", Problem.FORBIDDEN),
    (Detail.ADDRESS, ("1 Real Street\x07", "Ottawa ON  K1P 1A1"), Problem.FORBIDDEN),
    (Detail.ADDRESS, ("Unit 1", "c/o A", "Floor 2", "1 Real Street", "Box 3", "Ottawa ON  K1P 1A1", "Canada"), Problem.TOO_MANY_LINES),
    (Detail.SIGNATORY_NAME, "A" * 81, Problem.TOO_LONG),
    *[(detail, f"info@{host}", Problem.EXAMPLE) for detail in (Detail.EMAIL, Detail.PRIVACY_OFFICER) for host in RESERVED_HOSTS],
    *[(Detail.WEBSITE, f"https://{host}/en", Problem.EXAMPLE) for host in RESERVED_HOSTS],
    *[
        (Detail.EMAIL, text, Problem.NO_EMAIL_ADDRESS)
        for text in (
            *("charity.ca", "@charity.ca", "a@", "a b@charity.ca", "a@charity", "a@charity.ca, b@charity.ca", "A <a@charity.ca>"),
            *(
                "a..b@charity.ca",
                ".a@charity.ca",
                "a@-charity.ca",
                "a@charity..ca",
                "a@127.0.0.1",
                "é@charity.ca",
                f"{'a' * 65}@charity.ca",
            ),
        )
    ],
    *[(Detail.PHONE, text, Problem.NO_PHONE_NUMBER) for text in ("555-0123", "call us", "613-555-0123 or 4", "+1 613 555 0123 4567 89")],
    *[
        (Detail.WEBSITE, text, Problem.NO_WEB_ADDRESS)
        for text in (
            *("charity.ca", "ftp://charity.ca", "javascript:alert(1)//charity.ca", "https://", "https://charity", "https://127.0.0.1"),
            *("https://a:b@charity.ca", "https://charity.ca:99999", 'https://charity.ca/"x', "https://charity.ca/a b", "https://[::1]/"),
        )
    ],
]


@pytest.mark.parametrize(("detail", "value", "problem"), NOT_REAL)
def test_a_detail_that_is_not_real_is_found_by_its_name(detail: Detail, value: Any, problem: Problem) -> None:
    changed = replace(REAL, **{detail.value: value})
    (finding,) = list_findings(changed, usable_pictures={Detail.SIGNATURE})
    assert (finding.detail, finding.problem) == (detail, problem)


def test_a_character_that_cannot_be_used_or_printed_is_named(app: Flask, campaign: Campaign) -> None:
    assert list_findings(replace(REAL, signatory_name="A\x07"), usable_pictures={Detail.SIGNATURE})[0].characters == "\x07"
    charity = set_real_details(legal_name="Nerves ❤", signatory_title_fr="Trésorière 𓀀")
    found = {finding.detail: (finding.problem, finding.characters) for finding in charity_confirmations.findings_of(charity)}
    assert found == {Detail.LEGAL_NAME: (Problem.UNPRINTABLE, "❤"), Detail.SIGNATORY_TITLE_FR: (Problem.UNPRINTABLE, "𓀀")}
    assert charity_confirmations.findings_of(set_real_details(legal_name="Fondation de l’Œuvre – Łódź, 神経, עצבים")) == []


@pytest.mark.parametrize(("signature", "problem"), [("", Problem.MISSING), ("hash", Problem.UNUSABLE_PICTURE)])
def test_without_a_picture_that_shows_something_there_is_no_signature(signature: str, problem: Problem) -> None:
    found = list_findings(replace(REAL, signature=signature), usable_pictures=())
    assert found == [Finding(detail=Detail.SIGNATURE, problem=problem)]


def test_a_charity_needs_no_logo_but_one_that_it_has_must_be_a_picture() -> None:
    assert list_findings(REAL, usable_pictures={Detail.SIGNATURE}) == []
    with_logo = replace(REAL, logo="hash")
    assert list_findings(with_logo, usable_pictures=set(PICTURES)) == []
    assert list_findings(with_logo, usable_pictures={Detail.SIGNATURE}) == [Finding(detail=Detail.LOGO, problem=Problem.UNUSABLE_PICTURE)]


@pytest.mark.parametrize(
    "contacts",
    [
        {"email": "o'neil+dons@sous.charity.ca", "website": "http://charity.ca:8080/fr?a=b#c"},
        {"email": f"{'a' * 64}@example-nerves.org", "website": "https://xn--nerv-bpa.ca"},
    ],
)
def test_control_real_contacts_have_no_finding(contacts: dict[str, Any]) -> None:
    assert list_findings(replace(REAL, **contacts), usable_pictures={Detail.SIGNATURE}) == []


# Numbers of charities that are in the CRA's public list.
@pytest.mark.parametrize("number", ["119219814RR0001", "108084419RR0001", "122680572 RR 0001"])
@pytest.mark.parametrize("place", ["Ottawa, Ontario", "100 Mile House, British Columbia", "L’Île-Perrot"])
def test_control_real_details_have_no_finding(number: str, place: str) -> None:
    assert list_findings(replace(REAL, registration_number=number, place_of_issue=place), usable_pictures={Detail.SIGNATURE}) == []


def test_the_fingerprint_changes_with_each_detail() -> None:
    values: dict[str, Any] = {detail.value: "x" for detail in Detail} | {"address": ("x", "y")}
    changed = [replace(REAL, **{name: value}) for name, value in values.items()]
    assert len({fingerprint_of(details) for details in (REAL, *changed)}) == len(CONFIRMED) + 1
    assert {fingerprint_of(replace(REAL, **{detail.value: values[detail.value]})) for detail in CONTACTS} == {fingerprint_of(REAL)}
    assert fingerprint_of(REAL) == fingerprint_of(replace(REAL))
    assert fingerprint_of(REAL) == "fa5ff513490a", "that of a charity without a logo stays what it was before there were logos"


def picture(*, size: tuple[int, int] = (180, 60), paper: str = "#0000", ink: str = "", mode: str = "RGBA", kind: str = "PNG") -> bytes:
    drawn = Image.new("RGBA", size, paper)
    if ink:
        drawn.paste(ink, (10, 10, 60, 20))
    file = BytesIO()
    drawn.convert(mode).save(file, kind)
    return file.getvalue()


def grey_of_16_bits(ink: int) -> bytes:
    """White paper with a mark of this grey, of 65535 steps."""
    drawn, file = Image.new("I;16", (180, 60), 65_535), BytesIO()
    drawn.paste(ink, (10, 10, 60, 20))
    drawn.save(file, "PNG")
    return file.getvalue()


def animation() -> bytes:
    frames, file = [Image.new("RGB", (180, 60), "white") for _ in range(2)], BytesIO()
    frames[1].paste("black", (10, 10, 60, 20))
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


def with_chunk(kind: bytes, data: bytes) -> bytes:
    """A usable picture with one more chunk after its head."""
    png, chunk = png_picture(), kind + data
    return png[:33] + len(data).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[33:]


def bomb() -> bytes:
    """A PNG whose head claims 400 million pixels."""
    head = bytearray(png_picture())
    head[16:24] = (20_000).to_bytes(4, "big") * 2
    return bytes(head)


@pytest.mark.parametrize(
    ("png", "flaw"),
    [
        (picture(ink="black")[:-20], PictureFlaw.UNREADABLE),
        (png_picture()[: len(png_picture()) // 2], PictureFlaw.UNREADABLE),
        (b"", PictureFlaw.UNREADABLE),
        (picture(ink="black", mode="RGB", kind="JPEG"), PictureFlaw.UNREADABLE),
        (bomb(), PictureFlaw.UNREADABLE),
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100"><rect width="50" height="50"/></svg>', PictureFlaw.UNREADABLE),
        (picture(ink="black", mode="CMYK", kind="JPEG"), PictureFlaw.UNREADABLE),
        (picture(ink="black", mode="P", kind="GIF"), PictureFlaw.UNREADABLE),
        (with_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000))), PictureFlaw.UNREADABLE),
        (animation(), PictureFlaw.ANIMATED),
        (grey_of_16_bits(65_535), PictureFlaw.BLANK),
        (picture(paper="white", ink="#f0f0f0"), PictureFlaw.BLANK),
        (picture(), PictureFlaw.BLANK),
        (picture(paper="white", mode="L"), PictureFlaw.BLANK),
        (picture(paper="black"), PictureFlaw.BLANK),
        (picture(ink="white"), PictureFlaw.BLANK),
        (picture(size=(LEAST_WIDTH - 1, LEAST_HEIGHT), ink="black"), PictureFlaw.TOO_SMALL),
        (picture(size=(LEAST_WIDTH, LEAST_HEIGHT - 1), ink="black"), PictureFlaw.TOO_SMALL),
        (picture(size=(4_000, 1_001), ink="black"), PictureFlaw.TOO_LARGE),
        (picture(ink="black") + b"x" * 200 * 1024, PictureFlaw.TOO_LARGE),
    ],
)
def test_a_picture_that_receipts_cannot_show_is_refused(png: bytes, flaw: PictureFlaw) -> None:
    with warnings.catch_warnings():
        assert flaw_of(png) is flaw


@pytest.mark.parametrize(
    "png",
    [
        png_picture(),
        picture(ink="black"),
        picture(paper="white", ink="#115", mode="P"),
        picture(ink="#0008"),
        picture(ink="black", mode="LA"),
        picture(paper="white", ink="black", mode="1"),
        grey_of_16_bits(20_000),
    ],
)
def test_control_a_signature_in_any_kind_of_png_is_accepted(png: bytes) -> None:
    assert flaw_of(png) is None
