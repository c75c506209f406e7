"""Who is behind a fund: their words, names and portrait, where they are shown, to whom they are not, and how they are taken back."""

import itertools
import re
from io import BytesIO
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from campaign.campaigns import campaign_actions, page_logos
from campaign.campaigns.campaigns import Campaign
from campaign.edges import pictures
from campaign.edges.db import db
from campaign.edges.pictures import UnusablePicture
from campaign.funders import funder_actions, introductions
from campaign.funders.funders import Funder
from campaign.funders.introductions import COLUMNS, FundIntroduction
from campaign.funders.portraits import Portrait
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.rules.pictures import PictureFlaw
from campaign.staff.audit import AuditEntry
from tests.browser import chromium_path, open_browser, serve
from tests.factories import another_campaign, create_fund, paid
from tests.test_give_form import SHIFT
from tests.test_wall_privacy import addresses, text_of
from tests.web import SLUG, hidden_fields, open_page, signed_in

TEXTS = {
    "words_en": "We waited for a diagnosis for a year. Canarye.",
    "words_fr": "Nous avons attendu un diagnostic pendant un an. Canaryf.",
    "name_en": "Canaryname and Luc, who match your gifts",
    "name_fr": "Canaryname et Luc, qui jumellent vos dons",
    "portrait_alt_en": "A couple on a bench",
    "portrait_alt_fr": "Un couple sur un banc",
}


def photo(width: int = 900, height: int = 600, kind: str = "JPEG", ink: str = "L") -> bytes:
    saved, exif = BytesIO(), Image.Exif()
    exif[0x010E] = "where it was taken"
    gradient = Image.linear_gradient(ink) if ink == "L" else Image.radial_gradient("L")
    gradient.resize((width, height)).save(saved, kind, exif=exif)
    return saved.getvalue()


def path_of(fund: Fund) -> str:
    return f"/staff/funds/{fund.slug}/introduction"


def save(app: Flask, client: FlaskClient, fund: Fund, **fields: Any) -> TestResponse:
    """Send the form of the `page`, or of a new one, with a `portrait` if there is one."""
    page, portrait = fields.pop("page", None) or open_page(client, path_of(fund)), fields.pop("portrait", None)
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    with_file = {"portrait": (BytesIO(portrait), "portrait.jpg")} if portrait else {}
    data = {**hidden_fields(page), "version": version, **fields, **with_file}
    with app.app_context():
        return client.post(path_of(fund), data=data, content_type="multipart/form-data")


def stored(fund: Fund) -> FundIntroduction:
    db.session.expire_all()
    return introductions.introduction_of(fund)


@pytest.fixture
def manager(app: Flask, campaign: Campaign) -> FlaskClient:
    return signed_in(app, "manager")


@pytest.fixture
def introduced(app: Flask, manager: FlaskClient, fund: Fund) -> str:
    """The address of the portrait of a fund that has everything."""
    answer = save(app, manager, fund, portrait=photo(), **TEXTS)
    assert answer.status_code == 303, re.findall(r'class="error"[^>]*>([^<]*)', answer.text)
    return f"/portraits/{stored(fund).portrait}.jpg"


def canaries(client: FlaskClient, slug: str = SLUG) -> set[str]:
    """What of the introduction a stranger reads, in both languages."""
    pages = " ".join(open_page(client, f"/{language}/{slug}").text for language in ("en", "fr"))
    return set(re.findall(r"Canary\w+|/portraits/\w+\.jpg", pages))


def test_the_page_shows_words_name_and_portrait_in_the_readers_language(
    app: Flask, fund: Fund, client: FlaskClient, introduced: str
) -> None:
    for of in ("en", "fr"):
        page = open_page(client, f"/{of}/{SLUG}").text
        [figure] = re.findall(r'<figure class="funder">.*?</figure>', page, re.DOTALL)
        image = f'<img class="portrait" src="{introduced}" width="112" height="112" alt="{TEXTS[f"portrait_alt_{of}"]}" loading="lazy">'
        assert figure == (
            f'<figure class="funder">{image}<blockquote>{TEXTS[f"words_{of}"]}</blockquote>'
            f"<figcaption>{TEXTS[f'name_{of}']}</figcaption></figure>"
        )
    shown = client.get(introduced)
    assert (shown.mimetype, shown.headers["Cache-Control"]) == ("image/jpeg", "public, max-age=3600")
    assert b"where it was taken" not in shown.data
    assert Image.open(BytesIO(shown.data)).size == (400, 400)
    assert client.get(introduced, headers={"If-None-Match": shown.headers["ETag"]}).status_code == 304


@pytest.mark.browser
@pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")
def test_the_people_and_the_logo_fit_every_screen_and_nothing_moves_while_they_load(
    app: Flask, campaign: Campaign, fund: Fund, introduced: str
) -> None:
    campaign.charity.page_logo = page_logos.store(pictures.page_logo(photo(600, 100, kind="PNG")))
    db.session.commit()
    with serve(app) as address, open_browser() as browser:
        for is_dark, width in itertools.product((False, True), (320, 1200)):
            context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme="dark" if is_dark else "light")
            page = context.new_page()
            page.goto(f"{address}/fr/{SLUG}", wait_until="networkidle")
            assert page.evaluate(SHIFT) < 0.01
            page.locator("figure.funder").scroll_into_view_if_needed()
            expect(page.locator("figure.funder img")).to_have_js_property("complete", True)
            sizes = page.evaluate(
                "[...document.querySelectorAll('img.logo, img.portrait')].map(one => [one.clientHeight, one.naturalWidth])"
            )
            assert (sizes[0][0] <= 52, sizes[0][1], sizes[1]) == (True, 600, [112, 400]), "both are shown"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert [(rule["id"], rule["nodes"]) for rule in Axe().run(page).response["violations"]] == []


def test_words_alone_and_a_portrait_alone_are_shown_with_the_name(
    app: Flask, manager: FlaskClient, fund: Fund, client: FlaskClient
) -> None:
    no_alt = {"portrait_alt_en": "", "portrait_alt_fr": ""}
    assert save(app, manager, fund, **TEXTS | no_alt).status_code == 303
    assert canaries(client) == {"Canarye", "Canaryf", "Canaryname"}
    assert save(app, manager, fund, portrait=photo(), **TEXTS | {"words_en": "", "words_fr": ""}).status_code == 303
    assert canaries(client) == {"Canaryname", f"/portraits/{stored(fund).portrait}.jpg"}
    assert "<blockquote>" not in open_page(client, f"/en/{SLUG}").text
    assert f"The page of the campaign shows: {TEXTS['name_en']}" in open_page(manager, f"/staff/funds/{fund.slug}").text


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"words_fr": ""}, {"words_fr"}),
        ({"name_en": ""}, {"name_en"}),
        ({"words_en": "x" * 401, "name_fr": "y" * 81}, {"words_en", "name_fr"}),
        ({"words_en": "", "words_fr": "", "portrait_alt_en": "", "portrait_alt_fr": ""}, {"name_en", "name_fr"}),
        ({"words_en": "a\u202eb"}, {"words_en"}),
        ({}, {"portrait_alt_en", "portrait_alt_fr"}),
    ],
)
def test_each_field_that_is_wrong_says_so_and_nothing_typed_is_lost(
    app: Flask, manager: FlaskClient, fund: Fund, changed: dict[str, str], wrong: set[str]
) -> None:
    fields = TEXTS | ({} if not changed else {"portrait_alt_en": "", "portrait_alt_fr": ""}) | changed
    refused = save(app, manager, fund, **fields)
    assert refused.status_code == 422
    assert set(re.findall(r'id="(\w+)-error"', refused.text)) == wrong
    assert fields["name_fr"] in refused.text
    assert stored(fund).name_en == ""


def test_a_picture_that_cannot_be_shown_is_refused_and_asked_for_again(app: Flask, manager: FlaskClient, fund: Fund) -> None:
    assert "too small" in save(app, manager, fund, portrait=photo(199, 800), **TEXTS).text
    for file in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", photo()[:4000], b"GIF89a"):
        assert "Please choose a PNG or JPEG." in save(app, manager, fund, portrait=file, **TEXTS).text
    with pytest.raises(UnusablePicture) as refused:
        pictures.portrait(photo() + b"x" * 7 * 1024 * 1024)
    assert refused.value.flaw is PictureFlaw.TOO_LARGE
    again = save(app, manager, fund, portrait=photo(), **TEXTS | {"name_en": ""})
    assert (again.status_code, "Please choose the picture again" in again.text) == (422, True)
    assert db.session.query(Portrait).count() == 0


def test_no_page_and_no_address_shows_the_people_of_an_anonymous_funder(
    app: Flask, fund: Fund, client: FlaskClient, manager: FlaskClient, introduced: str
) -> None:
    assert canaries(client) == {"Canarye", "Canaryf", "Canaryname", introduced}, "control"
    funder = db.session.get_one(Funder, fund.funder_id)
    funder_actions.change_details(funder, {"is_anonymous": True}, actor="manager@example.org", void_reason="")
    assert canaries(client) == set()
    assert client.get(introduced).status_code == 404
    assert "The funder is anonymous" in open_page(manager, path_of(fund)).text
    for_staff = open_page(manager, f"{path_of(fund)}/portrait.jpg")
    assert (for_staff.status_code, for_staff.headers["Cache-Control"]) == (200, "private, no-store")


def test_no_public_address_at_all_names_them_once_the_funder_is_anonymous(
    app: Flask, fund: Fund, client: FlaskClient, introduced: str
) -> None:
    def reads_them() -> set[str]:
        public = sorted(addresses(app, "a" * 22) - {path for path in addresses(app, "a" * 22) if path.startswith("/funder")})
        return {
            path.partition("?")[0] for path in public if re.search(r"Canary\w+|/portraits/\w", text_of(path, open_page(client, path).data))
        }

    assert reads_them() == {f"/en/{SLUG}", f"/fr/{SLUG}"}, "control"
    db.session.get_one(Funder, fund.funder_id).is_anonymous = True
    db.session.commit()
    assert reads_them() == set()


def test_control_without_the_guard_an_anonymous_funder_would_be_shown(
    app: Flask, fund: Fund, client: FlaskClient, introduced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.session.get_one(Funder, fund.funder_id).is_anonymous = True
    db.session.commit()
    assert (canaries(client), client.get(introduced).status_code) == (set(), 404)
    monkeypatch.setattr(introductions, "_is_named", lambda: Fund.id.is_not(None))
    assert (canaries(client) != set(), client.get(introduced).status_code) == (True, 200)


def test_only_funds_that_match_or_have_matched_and_public_campaigns_show_them(
    app: Flask, campaign: Campaign, fund: Fund, client: FlaskClient, manager: FlaskClient
) -> None:
    draft = create_fund(campaign, 500_00, position=2, active=False)
    db.session.commit()
    assert save(app, manager, draft, portrait=photo(), **TEXTS).status_code == 303
    address = f"/portraits/{stored(draft).portrait}.jpg"
    assert (canaries(client), client.get(address).status_code) == (set(), 404), "a draft"
    assert "Not shown now" in open_page(manager, f"/staff/funds/{draft.slug}").text
    fund_lifecycle.activate(draft, actor="test", reason="test")
    db.session.commit()
    assert address in canaries(client)
    campaign_actions.take_back(campaign, actor="test")
    assert client.get(address).status_code == 404, "strangers do not see the campaign"
    assert f'src="{path_of(draft)}/portrait.jpg"' in open_page(manager, f"/staff/campaigns/{SLUG}/preview/en").text
    campaign_actions.open_to_gifts(campaign, actor="test")
    assert client.get(address).status_code == 200
    assert "The page of the campaign shows: " in open_page(manager, f"/staff/funds/{draft.slug}").text
    fund_lifecycle.end(draft, actor="test", reason="test")
    db.session.commit()
    assert (canaries(client), client.get(address).status_code) == (set(), 404), "it ended without matching anything"
    assert "Not shown now" in open_page(manager, f"/staff/funds/{draft.slug}").text
    save(app, manager, fund, **TEXTS | {"portrait_alt_en": "", "portrait_alt_fr": ""})
    paid(campaign, 100_00)
    fund_lifecycle.end(fund, actor="test", reason="test")
    db.session.commit()
    assert canaries(client) == {"Canarye", "Canaryf", "Canaryname"}, "it ended, and has matched"


def test_what_is_taken_back_is_gone_and_the_audit_trail_does_not_repeat_it(
    app: Flask, fund: Fund, client: FlaskClient, manager: FlaskClient, introduced: str
) -> None:
    assert save(app, manager, fund, change="remove", **TEXTS).status_code == 303
    assert (canaries(client), client.get(introduced).status_code) == ({"Canarye", "Canaryf", "Canaryname"}, 404)
    assert db.session.query(Portrait).count() == 0, "the picture itself is deleted"
    assert open_page(manager, f"{path_of(fund)}/portrait.jpg").status_code == 404
    assert save(app, manager, fund, **dict.fromkeys(TEXTS, "")).status_code == 303
    assert canaries(client) == set()
    assert "Nothing has changed." in open_page(manager, save(app, manager, fund, **dict.fromkeys(TEXTS, "")).location).text
    entries = db.session.query(AuditEntry).filter_by(action="changed who is behind a fund").order_by(AuditEntry.id).all()
    assert [entry.subject for entry in entries] == [fund.slug] * 3
    assert not [entry for entry in entries if "Canary" in str(entry.detail) or "bench" in str(entry.detail)]
    shown = open_page(signed_in(app, "admin", address="admin@example.org"), "/staff/audit").text
    assert "changed who is behind a matching fund" in shown


def test_a_portrait_that_another_fund_shows_stays(
    app: Flask, campaign: Campaign, fund: Fund, manager: FlaskClient, introduced: str
) -> None:
    other = another_campaign(100_00, like=campaign)
    [second] = db.session.query(Fund).filter_by(campaign_id=other.id)
    db.session.commit()
    assert save(app, manager, second, portrait=photo(), **TEXTS).status_code == 303
    assert db.session.query(Portrait).count() == 1
    save(app, manager, fund, change="remove", **TEXTS)
    assert app.test_client().get(introduced).status_code == 200
    assert save(app, manager, second, portrait=photo(ink="radial"), **TEXTS).status_code == 303
    assert app.test_client().get(introduced).status_code == 404
    assert db.session.query(Portrait).count() == 1


def test_the_second_of_two_editors_is_shown_what_changed(app: Flask, fund: Fund, manager: FlaskClient) -> None:
    words = TEXTS | {"portrait_alt_en": "", "portrait_alt_fr": ""}
    page = open_page(manager, path_of(fund))
    assert save(app, manager, fund, **words).status_code == 303
    late = save(app, manager, fund, page=page, **words | {"name_en": "Somebody else"})
    assert (late.status_code, f"Stored now: {TEXTS['name_en']}" in late.text, "Somebody else" in late.text) == (422, True, True)
    with_photo = save(app, manager, fund, page=page, portrait=photo(), **TEXTS)
    assert (with_photo.status_code, "Please choose the picture again" in with_photo.text) == (422, True)
    assert save(app, manager, fund, page=late, **words | {"name_en": "Somebody else"}).status_code == 303


def test_only_managers_change_it_and_unknown_addresses_are_not_found(app: Flask, fund: Fund, client: FlaskClient) -> None:
    clerk = signed_in(app, "clerk")
    assert open_page(clerk, path_of(fund)).status_code == 403
    assert open_page(client, f"{path_of(fund)}/portrait.jpg").status_code == 302
    assert 'href="/staff/funds/' in open_page(clerk, f"/staff/funds/{fund.slug}").text
    assert path_of(fund) not in open_page(clerk, f"/staff/funds/{fund.slug}").text
    manager = signed_in(app, "manager", address="manager@example.org")
    assert open_page(manager, "/staff/funds/unknown/introduction").status_code == 404
    assert save(app, manager, fund, csrf_token="wrong", **TEXTS).status_code == 400
    for nothing in ("0" * 64, "x", "%00"):
        assert client.get(f"/portraits/{nothing}.jpg").status_code == 404


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"words_en": "a", "name_en": "n", "name_fr": "n"}, "words_of_funder_are_in_both_languages"),
        ({"words_en": "a", "words_fr": "a"}, "what_is_shown_is_named"),
        ({"name_en": "n", "name_fr": "n"}, "what_is_shown_is_named"),
        ({"words_en": "a" * 401, "words_fr": "a", "name_en": "n", "name_fr": "n"}, "words_of_funder_are_short"),
        ({"portrait_alt_en": "a", "portrait_alt_fr": "a"}, "portrait_is_described"),
        ({"portrait": "x"}, "what_is_shown_is_named|portrait_is_described"),
    ],
)
def test_the_database_holds_the_same(fund: Fund, values: dict[str, str], constraint: str) -> None:
    assert set(values) <= set(COLUMNS)
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    with pytest.raises(IntegrityError, match=constraint):
        db.session.execute(
            text(f"INSERT INTO fund_introduction (fund_id, {names}) VALUES (:fund, {marks})"),
            {"fund": fund.id, **values},
        )
    db.session.rollback()
