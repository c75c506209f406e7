"""The charity's details: changed by managers on pages and by command, with nothing that cannot be printed or sent, and nothing lost."""

from io import BytesIO
from math import isqrt
from random import Random

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import text
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.cli import main
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.staff.audit import AuditEntry
from tests.conftest import Post
from tests.factories import REAL_DETAILS, confirm_charity, paid, png_picture, set_real_details
from tests.mail import last_email, text_of
from tests.web import open_page, signed_in, submit

PAGE = "/staff/charity"
LEGAL = ("legal_name", "name_en", "name_fr", "registration_number", "place_of_issue")
SIGNATORY = {"signatory_name": "Anne Roy", "signatory_title_en": "Treasurer", "signatory_title_fr": "Trésorière"}
CONTACT = {name: REAL_DETAILS[name] for name in ("email", "website", "privacy_officer")} | {"fiscal_year_end": "12-31"}


def charity() -> Charity:
    db.session.expire_all()
    return db.session.query(Charity).one()


def version_in(page: TestResponse) -> str:
    return page.text.partition('name="version" value="')[2].partition('"')[0]


def save(client: FlaskClient, page: TestResponse, group: str, **fields: str) -> TestResponse:
    return submit(client, page, f"{PAGE}/{group}", **({"version": version_in(page)} | fields))


def changes() -> list[dict[str, object]]:
    entries = db.session.query(AuditEntry).filter_by(action="changed the charity's details").order_by(AuditEntry.id)
    return [entry.detail for entry in entries]


def run(app: Flask, *arguments: str) -> Result:
    result = app.test_cli_runner().invoke(main.campaign, list(arguments), standalone_mode=False)
    db.session.expire_all()
    return result


def test_a_manager_changes_what_receipts_print_and_is_shown_first_that_they_stop(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    donation = paid(campaign)
    donation.livemode = True
    client = signed_in(app, "manager")
    page = open_page(client, f"{PAGE}/legal")
    assert "no official receipt is issued for real money until two steps are done" in page.text and "No receipt waits" in page.text
    legal = {name: str(REAL_DETAILS[name]) for name in LEGAL} | {"address": "1 Real Street\r\nOttawa ON  K1P 1A1"}
    unchanged = save(client, page, "legal", **legal)
    assert (unchanged.status_code, charity().confirmed_at is None, changes()) == (303, False, [])
    changed = {
        "legal_name": " Nerve Foundation ",
        "registration_number": "12345 6782 rr 0002",
        "address": "2 Rue de l’Église\r\n\r\nLaval  H7A 1A1",
    }
    assert save(client, page, "legal", **(legal | changed)).status_code == 303
    found = charity()
    assert (found.legal_name, found.registration_number, found.confirmed_at) == ("Nerve Foundation", "123456782RR0002", None)
    assert found.address == ["2 Rue de l’Église", "Laval  H7A 1A1"]
    assert changes() == [
        {
            "before": {name: REAL_DETAILS[name] for name in ("address", "legal_name", "registration_number")},
            "after": {"address": found.address, "legal_name": "Nerve Foundation", "registration_number": "123456782RR0002"},
        }
    ]
    send_jobs.send_due()
    assert "1 receipt waits for this confirmation already." in open_page(client, f"{PAGE}/signatory").text
    shown = open_page(client, PAGE).text
    assert "Not confirmed yet; it was: Nerve Research Foundation" in shown
    assert "Not confirmed yet; it was: 1 Real Street; Ottawa ON  K1P 1A1" in shown and shown.count("Not confirmed yet; it was") == 3
    assert "Confirmed last: Nerve Research Foundation" in open_page(client, f"{PAGE}/legal").text
    assert "Pas encore confirmé" in open_page(client, f"{PAGE}?lang=fr").text
    confirm_charity(legal_name="Nerve Foundation")
    assert "Not confirmed yet" not in open_page(client, PAGE).text


def test_what_cannot_be_accepted_is_said_at_its_field_and_nothing_typed_is_lost(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    client = signed_in(app, "manager")
    page = open_page(client, f"{PAGE}/signatory")
    for field, typed, error in (
        ("signatory_name", "Anne ❤ Roy", "“❤” (U+2764) cannot be printed on a receipt"),
        ("signatory_name", "Anne\u202eRoy", "an invisible character (U+202E)"),
        ("signatory_title_en", "  ", "It is missing."),
        ("signatory_title_fr", "Trésorière (exemple)", "It is an example."),
    ):
        refused = save(client, page, "signatory", **(SIGNATORY | {"signatory_name": "Bea Roy", field: typed}))
        assert (refused.status_code, error in refused.text, f'id="{field}-error"' in refused.text) == (422, True, True), error
        assert field == "signatory_name" or 'value="Bea Roy"' in refused.text, "what is right is typed still"
        assert version_in(refused) == version_in(page)
    french = save(
        client, open_page(client, f"{PAGE}/contact?lang=fr"), "contact", **(CONTACT | {"email": "a@b", "fiscal_year_end": "13-40"})
    )
    assert "Veuillez écrire un mois et un jour" in french.text and 'value="a@b"' in french.text
    french = save(
        client,
        open_page(client, f"{PAGE}/contact"),
        "contact",
        **(CONTACT | {"email": "info@example.org", "website": "charite", "phone": "555-0123"}),
    )
    assert all(f'id="{name}-error"' in french.text for name in ("email", "website", "phone")) and "C’est un exemple" in french.text
    assert (charity().confirmed_at is None, changes()) == (False, [])


def test_a_new_contact_stops_no_receipt_and_donors_read_it_at_once(app: Flask, campaign: Campaign, post: Post) -> None:
    confirm_charity()
    client = signed_in(app, "manager")
    page = open_page(client, f"{PAGE}/contact")
    assert "so receipts go on" in page.text and "two steps" not in page.text
    new = {"email": "dons@nerfs.ca", "website": "http://nerfs.ca", "privacy_officer": "vie-privee@nerfs.ca", "fiscal_year_end": "03-31"}
    new["phone"] = "(613) 555-0123, poste 4"
    assert save(client, page, "contact", **new).status_code == 303
    assert "March 31" in open_page(client, PAGE).text
    assert charity().confirmed_at is not None
    public = client.get("/en/vision-sanaa-richard").text
    assert [value for name, value in new.items() if name != "fiscal_year_end" and value not in public] == []
    donation = paid(campaign)
    send_jobs.send_due()
    assert 'href="tel:+16135550123"' in public
    email = last_email(post, donation)
    assert email["Reply-To"] == "dons@nerfs.ca" and "or call (613) 555-0123, poste 4" in text_of(email)
    save(client, open_page(client, f"{PAGE}/contact"), "contact", **new | {"phone": "", "website": "www.nerfs.ca/fr"})
    assert (charity().phone, charity().website) == ("", "https://www.nerfs.ca/fr") and "tel:" not in client.get(
        "/en/vision-sanaa-richard"
    ).text


def test_what_else_decides_about_receipts_is_changed_on_a_page_of_its_own(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    client, at = signed_in(app, "manager"), f"{PAGE}/settings"
    assert f'href="{at}"' in open_page(client, PAGE).text and "campaign charity set" not in open_page(client, PAGE).text
    first, second = open_page(client, at), open_page(client, at)
    new = {"series": "continuous", "bilingual_receipts": "yes", "awaited_gifts_as": "unreceipted"}
    assert submit(client, first, at, version=version_in(first), **new | {"series": "both"}).status_code == 422
    assert submit(client, first, at, version=version_in(first), **new).status_code == 303
    late = submit(client, second, at, version=version_in(second), **new | {"series": "yearly"})
    assert late.status_code == 422 and "Stored now: one series for all years" in late.text
    found = charity()
    assert (found.series, found.bilingual_receipts, found.awaited_gifts_as) == ("continuous", True, "unreceipted")
    assert found.confirmed_at is not None and len(changes()) == 1


def test_of_two_people_who_edit_at_once_the_second_sees_what_the_first_has_saved(app: Flask, campaign: Campaign) -> None:
    set_real_details()
    first, second = (signed_in(app, "manager", address=f"{name}@example.org") for name in ("first", "second"))
    pages = [open_page(client, f"{PAGE}/signatory") for client in (first, second)]
    assert save(first, pages[0], "signatory", **(SIGNATORY | {"signatory_name": "Bea First"})).status_code == 303
    refused = save(second, pages[1], "signatory", **(SIGNATORY | {"signatory_title_en": "President"}))
    assert (refused.status_code, "Stored now: Bea First" in refused.text, 'value="President"' in refused.text) == (422, True, True)
    assert (charity().signatory_name, charity().signatory_title_en) == ("Bea First", "Treasurer")
    assert save(second, refused, "signatory", **(SIGNATORY | {"signatory_title_en": "President"})).status_code == 303, "knowing of it"
    assert [change["after"] for change in changes()][-1] == {"signatory_name": "Anne Roy", "signatory_title_en": "President"}
    assert save(first, pages[0], "contact", **CONTACT, version="").status_code == 303, "nothing changes, so nothing is overwritten"
    assert save(first, pages[0], "contact", **(CONTACT | {"email": "a@nerfs.ca"}), version="").status_code == 422
    picture = open_page(first, f"{PAGE}/pictures")
    db.session.execute(text("UPDATE charity SET signature = NULL"))
    db.session.commit()
    late = submit(
        first, picture, f"{PAGE}/signature", base=None, signature=(BytesIO(png_picture(90)), "s.png"), version=version_in(picture)
    )
    assert (late.status_code, "Somebody has changed this picture" in late.text, charity().signature) == (422, True, None)


def test_only_managers_have_the_forms(app: Flask, campaign: Campaign) -> None:
    clerk = signed_in(app, "clerk", address="clerk@example.org")
    page = open_page(clerk, PAGE)
    assert f"{PAGE}/legal" not in page.text and "Managers change them" in page.text
    for group in ("legal", "signatory", "contact", "pictures", "settings"):
        assert open_page(clerk, f"{PAGE}/{group}").status_code == 403
    with app.app_context():
        assert clerk.post(f"{PAGE}/signatory", data=SIGNATORY).status_code in {400, 403}


def noisy_png(size: int) -> bytes:
    """A PNG of about so many bytes: of noise, which nothing compresses."""
    side = isqrt(size // 3)
    picture = BytesIO()
    Image.frombytes("RGB", (side, side), Random(size).randbytes(3 * side * side)).save(picture, "PNG")
    return picture.getvalue()


def test_a_manager_changes_the_pictures_on_the_page_which_are_confirmed_again(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    client = signed_in(app, "manager")

    def send(png: bytes | None, **fields: object) -> TestResponse:
        file: dict[str, object] = {"logo": (BytesIO(png), "logo.png")} if png is not None else {}
        page = open_page(client, f"{PAGE}/pictures")
        version = page.text.split('name="version" value="')[2].partition('"')[0]
        return submit(client, page, f"{PAGE}/logo", base=None, version=version, **(file | fields))

    for png, error in (
        (None, "choose a picture"),
        (b"", "choose a picture"),
        (b"<svg/>", "no complete PNG"),
        (bytes(300 * 1024), "at most 200 KB"),
    ):
        refused = send(png)
        assert (refused.status_code, error in refused.text, charity().confirmed_at is not None) == (422, True, True), error
        assert 'id="logo-error"' in refused.text
    with app.app_context():
        assert client.post(f"{PAGE}/logo", data={"csrf_token": "x", "change": "remove"}).status_code == 400
    assert "choose the picture again" in send(None, logo_lost="y").text
    for large in (130_000, 195_000):
        assert len(noise := noisy_png(large)) <= 200 * 1024
        assert send(noise).status_code == 303, "a picture as large as the page says"
    assert send(png_picture(90)).status_code == 303
    assert "no official receipt is issued for real money" in open_page(client, PAGE).text
    logo = db.session.query(Charity).one().logo
    assert logo and charity().confirmed_at is None
    confirm_charity()
    assert send(None, change="remove").status_code == 303
    assert (db.session.query(Charity).one().logo, charity().confirmed_at is not None) == (None, False)
    assert (len(changes()), changes()[-1]) == (4, {"before": {"logo": logo}, "after": {"logo": None}})
    assert open_page(client, PAGE).text.count("data:image/png;base64,") == 2, "the signature, and the logo that was confirmed"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--legal-name", "Nerves ❤"), "--legal-name: “❤” (U+2764) cannot be printed"),
        (("--name-fr", "Nerfs\x07"), "--name-fr: This has an invisible character (U+0007)"),
        (("--signatory-name", " "), "--signatory-name: It is missing."),
        (("--address", ""), "--address: A line of the address is empty."),
        (("--address", "1 Real Street", "--address", "Ottawa 𓀀 K1P 1A1"), "--address: “𓀀” (U+13000)"),
        (("--place-of-issue", "1 Real Street, Ottawa"), "--place-of-issue: It must be a city or town alone"),
        (("--email", "info@example.com"), "--email: It is an example."),
        (("--website", "nerves"), "--website: Please write the address of a website"),
        (("--privacy-officer", "Anne"), "--privacy-officer: Please write an email address"),
    ],
)
def test_a_command_names_the_option_and_the_character(app: Flask, campaign: Campaign, arguments: tuple[str, ...], named: str) -> None:
    before = {column.name: getattr(charity(), column.name) for column in Charity.__table__.columns}
    assert named in str(run(app, "charity", "set", "--signatory-title-en", "Chair", *arguments).exception)
    assert {column.name: getattr(charity(), column.name) for column in Charity.__table__.columns} == before


def test_no_command_takes_a_name_that_documents_or_emails_cannot_carry(app: Flask, campaign: Campaign, fund: Fund) -> None:
    add = ("fund", "add", campaign.slug, "new", "--name-en", "New", "--name-fr", "Nouveau")
    received = ("fund", "received", fund.slug, "10", "--on", "2026-11-20", "--yes")
    for arguments, named in (
        ((*add[:5], "New ❤", *add[6:]), "“❤” (U+2764) cannot be printed"),
        ((*add[:7], " "), "It is blank."),
        ((*add, "--funder", "A\u202eB"), "U+202E"),
        (("fund", "funder", fund.slug, "--legal-name", "Fonds ❤"), "“❤” (U+2764) cannot be printed"),
        (("fund", "funder", fund.slug, "--address", "1, rue X", "--address", ""), "It is blank."),
        (("fund", "funder", fund.slug, "--email", "é@nerfs.ca"), "is not an email address"),
        ((*received, "--reference", "a\x07"), "U+0007"),
        (("staff", "add", "é@nerfs.ca", "--role", "viewer"), "is not an email address"),
    ):
        assert named in str(run(app, *arguments).exception), arguments
