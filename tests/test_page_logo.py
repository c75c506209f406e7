"""The charity's logo at the head of donors' pages: what may be one, how staff change it, and where it is shown."""

import re
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.campaigns.page_logos import PageLogo, store
from campaign.edges.db import db
from campaign.edges.pictures import LogoPicture, UnusablePicture, page_logo, portrait
from campaign.rules.pictures import PictureFlaw, shown_size
from campaign.staff.audit import AuditEntry
from tests.factories import confirm_charity, paid
from tests.web import SLUG, hidden_fields, open_page, signed_in

PAGE = "/staff/charity/page-logo"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def drawn(size: tuple[int, int] = (300, 100), *, ink: str = "#14614f", paper: str = "#0000", kind: str = "PNG", margin: int = 0) -> bytes:
    """A logo: a bar on a transparent ground, with a text beside the pixels."""
    width, height = size
    logo = Image.new("RGBA", (width + 2 * margin, height + 2 * margin), paper)
    ImageDraw.Draw(logo).rectangle((margin, margin, margin + width - 1, margin + height - 1), fill=ink)
    ImageDraw.Draw(logo).rectangle((margin + width // 4, margin + height // 4, margin + width // 2, margin + height // 2), fill=paper)
    note, saved = PngInfo(), BytesIO()
    note.add_text("Author", "who drew it")
    options = {"pnginfo": note} if kind == "PNG" else {}
    (logo if kind == "PNG" else logo.convert("RGB")).save(saved, kind, **options)
    return saved.getvalue()


def animated() -> bytes:
    saved = BytesIO()
    Image.new("RGB", (100, 100), "red").save(saved, "PNG", save_all=True, append_images=[Image.new("RGB", (100, 100), "blue")])
    return saved.getvalue()


def upload(app: Flask, client: FlaskClient, logo: bytes | None, *, page: TestResponse | None = None, **fields: str) -> TestResponse:
    page = page or open_page(client, PAGE)
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    with_file = {"logo": (BytesIO(logo), "logo.png")} if logo else {}
    data = {**hidden_fields(page), "version": version, **fields, **with_file}
    with app.app_context():
        return client.post(PAGE, data=data, content_type="multipart/form-data")


def stored_digest() -> str | None:
    db.session.expire_all()
    return db.session.query(Charity).one().page_logo


def header_of(client: FlaskClient, path: str) -> str:
    return open_page(client, path).text.partition("<header>")[2].partition("<nav")[0]


def test_a_logo_is_cut_to_what_shows_made_smaller_and_bare(app: Flask) -> None:
    prepared = page_logo(drawn((1200, 300), margin=50))
    opened = Image.open(BytesIO(prepared.png))
    assert (opened.size, opened.mode, (prepared.width, prepared.height)) == ((600, 150), "RGBA", (600, 150))
    assert opened.getpixel((200, 60)) == (0, 0, 0, 0), "it stays transparent"
    assert b"who drew it" not in prepared.png
    plain = page_logo(drawn(paper="white", kind="JPEG"))
    assert Image.open(BytesIO(plain.png)).format == "PNG"


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("I;16", "PNG")])
def test_a_logo_of_a_printer_or_a_scanner_is_one_too(mode: str, kind: str) -> None:
    saved, grey = BytesIO(), Image.linear_gradient("L").resize((300, 100))
    sixteen = Image.frombytes("I;16", grey.size, b"".join(bytes([level, level]) for level in grey.tobytes()))
    (sixteen if mode == "I;16" else grey.convert("RGB").convert(mode)).save(saved, kind)
    levels = Image.open(BytesIO(page_logo(saved.getvalue()).png)).convert("L").tobytes()
    assert min(levels) < 30 and max(levels) > 225, "dark and light, as it was"


@pytest.mark.parametrize(
    ("logo", "flaw"),
    [
        (SVG, PictureFlaw.UNREADABLE),
        (b"\x89PNG\r\n\x1a\n", PictureFlaw.UNREADABLE),
        (drawn()[:-30], PictureFlaw.UNREADABLE),
        (drawn() + b"x" * 2 * 1024 * 1024, PictureFlaw.TOO_LARGE),
        (drawn((39, 100)), PictureFlaw.TOO_SMALL),
        (drawn((100, 39), margin=30), PictureFlaw.TOO_SMALL),
        (drawn((9000, 200)), PictureFlaw.TOO_SMALL),
        (drawn(ink="white"), PictureFlaw.BLANK),
        (drawn(ink="#0000"), PictureFlaw.BLANK),
        (animated(), PictureFlaw.ANIMATED),
    ],
)
def test_what_is_no_logo(logo: bytes, flaw: PictureFlaw) -> None:
    with pytest.raises(UnusablePicture) as refused:
        page_logo(logo)
    assert refused.value.flaw is flaw


def test_a_photograph_of_a_telephone_with_a_picture_of_depth_is_a_photograph() -> None:
    saved, depth = BytesIO(), Image.new("RGB", (400, 400), "black")
    Image.new("RGB", (800, 800), "red").save(saved, "MPO", save_all=True, append_images=[depth])
    shown = portrait(saved.getvalue())
    red, green, _ = Image.open(BytesIO(shown.jpeg)).convert("RGB").getpixel((10, 10))  # type: ignore[misc]  # of three bands
    assert (shown.width, shown.height, red > 200, green < 50) == (400, 400, True, True)


@pytest.mark.parametrize(
    ("size", "shown"), [((300, 100), (120, 40)), ((600, 60), (240, 24)), ((40, 200), (8, 40)), ((60, 40), (60, 40)), ((600, 1), (240, 1))]
)
def test_a_logo_fits_the_head_and_is_never_enlarged(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert shown_size(*size) == shown


def test_a_manager_sets_replaces_and_removes_the_logo_and_donors_see_it(app: Flask, campaign: Campaign, client: FlaskClient) -> None:
    donation = paid(campaign)
    manager = signed_in(app, "manager")
    before = header_of(client, f"/fr/{SLUG}")
    assert upload(app, manager, drawn()).status_code == 303
    digest = stored_digest()
    name = campaign.charity.name("fr")
    shown = f'<img class="logo" src="/logos/{digest}.png" width="120" height="40" alt="{name}">'
    paths = (SLUG, f"{SLUG}/privacy", f"donations/{donation.token}", "my-gifts", "monthly", f"{SLUG}/contact")
    pages = [f"/fr/{path}" for path in paths if open_page(client, f"/fr/{path}").status_code == 200]
    assert len(pages) >= 5
    assert [path for path in pages if shown not in header_of(client, path)] == []
    assert "/logos/" not in header_of(manager, "/staff/charity")
    file = client.get(f"/logos/{digest}.png")
    assert (file.mimetype, file.headers["Cache-Control"]) == ("image/png", "public, max-age=31536000, immutable")
    assert upload(app, manager, drawn(ink="navy")).status_code == 303
    assert stored_digest() != digest
    assert client.get(f"/logos/{digest}.png").status_code == 200, "pages that are open still show it"
    assert upload(app, manager, None, change="remove").status_code == 303
    assert (stored_digest(), header_of(client, f"/fr/{SLUG}")) == (None, before)
    changes = db.session.query(AuditEntry).filter_by(action="changed the charity's details").order_by(AuditEntry.id).all()
    assert [set(entry.detail["after"]) for entry in changes] == [{"page_logo"}] * 3
    assert "Logo on donors’ pages" in open_page(signed_in(app, "admin", address="admin@example.org"), "/staff/audit").text


def test_the_logo_needs_no_confirmation_and_what_cannot_be_one_says_why(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    manager = signed_in(app, "manager")
    assert upload(app, manager, drawn()).status_code == 303
    db.session.expire_all()
    assert db.session.query(Charity).one().confirmed_at is not None
    for file, words in ((SVG, "Please choose a PNG or JPEG."), (None, "Please choose a picture."), (drawn(ink="white"), "shows nothing")):
        refused = upload(app, manager, file)
        assert (refused.status_code, words in refused.text, 'id="logo-error"' in refused.text) == (422, True, True)
    assert upload(app, manager, drawn(), csrf_token="wrong").status_code == 400
    for nothing in ("0" * 64, "x", "%00"):
        assert app.test_client().get(f"/logos/{nothing}.png").status_code == 404


def test_the_second_of_two_editors_sees_the_logo_of_the_first(app: Flask, campaign: Campaign) -> None:
    first = signed_in(app, "manager")
    page = open_page(first, PAGE)
    assert upload(app, signed_in(app, "manager", address="other@example.org"), drawn()).status_code == 303
    late = upload(app, first, drawn(ink="navy"), page=page)
    assert (late.status_code, "Somebody has changed this picture" in late.text) == (422, True)
    assert f"/logos/{stored_digest()}.png" in late.text


def test_clerks_do_not_change_it(app: Flask, campaign: Campaign) -> None:
    clerk = signed_in(app, "clerk")
    assert open_page(clerk, PAGE).status_code == 403
    assert upload(app, clerk, drawn(), page=open_page(clerk, "/staff/charity")).status_code == 403
    assert (stored_digest(), db.session.query(PageLogo).count()) == (None, 0)
    assert not re.search(r'href="[^"]*page-logo"', open_page(clerk, "/staff/charity").text)


def test_the_database_refuses_a_wrong_hash_and_a_large_logo(app: Flask) -> None:
    prepared = page_logo(drawn())
    digest = store(prepared)
    db.session.commit()
    with pytest.raises(IntegrityError, match="hash_of_page_logo"):
        db.session.execute(text("INSERT INTO page_logo (sha256, png, width, height) VALUES ('x', 'y', 1, 1)"))
    db.session.rollback()
    with pytest.raises(IntegrityError, match="page_logo_is_small"):
        store(LogoPicture(png=prepared.png + b"x", width=601, height=1))
    db.session.rollback()
    assert db.session.get_one(PageLogo, digest).width == prepared.width
