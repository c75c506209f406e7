"""The wall of gifts as donors, visitors and staff use it: the form, the page of a gift, the queue, hostile names, and a real browser."""

import html
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from playwright.sync_api import Browser, ViewportSize
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations import wall_actions, wall_entries
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.donations.wall_entries import WallConsent
from campaign.edges.db import db
from campaign.reporting import staff_todo
from campaign.web.public import wall
from campaign.web.staff import person_file
from tests.browser import chromium_path, open_browser, serve
from tests.factories import NAME, another_campaign
from tests.wall import CLERK, agree, consent, entry_of, gifts_page, names, retained, show, shown
from tests.web import SLUG, grant_access, hidden_fields, open_page, send, signed_in, submit

HOSTILE = "<script>alert(1)</script>\"'&amp; ${x}"
PHONE = ViewportSize(width=320, height=568)
FIELDS = ("on_wall", "anonymous", "show_province", "show_tribute")


def latest(campaign: Campaign) -> Donation:
    found = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert found
    return found


def box(page: str, name: str) -> str:
    """The tag of a field."""
    [tag] = re.findall(rf'<input [^>]*name="{name}"[^>]*>', page)
    return str(tag)


def test_nothing_is_ticked_and_without_the_box_nothing_is_shown(client: FlaskClient, campaign: Campaign) -> None:
    page = client.get(f"/en/{SLUG}").text
    assert ["checked" in box(page, name) for name in FIELDS] == [False] * 4
    assert send(client, "en", public_name="Sanâa", show_province="y").status_code == 303
    assert wall_entries.find_of(latest(campaign)) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, WallConsent(name=NAME[0], shows_province=False, shows_tribute=False)),
        ({"public_name": " Nana "}, WallConsent(name="Nana", shows_province=False, shows_tribute=False)),
        ({"public_name": "Nana", "anonymous": "y"}, WallConsent(name="", shows_province=False, shows_tribute=False)),
        ({"show_province": "y", "show_tribute": "y"}, WallConsent(name=NAME[0], shows_province=True, shows_tribute=False)),
        (
            {"show_tribute": "y", "tribute_kind": "memory", "tribute_name": "Papa"},
            WallConsent(name=NAME[0], shows_province=False, shows_tribute=True),
        ),
    ],
)
def test_what_is_ticked_is_agreed_to(client: FlaskClient, campaign: Campaign, fields: dict[str, str], expected: WallConsent) -> None:
    assert send(client, "en", on_wall="y", **fields).status_code == 303
    assert wall_entries.consent_of(latest(campaign)) == expected


@pytest.mark.parametrize(
    ("fields", "field", "english", "french"),
    [
        ({"public_name": "sanaa@example.org"}, "public_name", "without an email address", "sans adresse courriel"),
        ({"public_name": "www.example"}, "public_name", "without a web address", "sans adresse Web"),
        ({"public_name": "514 555-0199"}, "public_name", "without a phone number", "sans numéro de téléphone"),
        ({"public_name": f"S. {NAME[1]}"}, "public_name", "leave out your last name", "omettre votre nom de famille"),
        ({"public_name": "a" * 81}, "public_name", "at most 80", "au plus 80"),
        ({"public_name": "Sanâa \u202e"}, "public_name", "U+202E", "U+202E"),
        (
            {"tribute_kind": "memory", "tribute_name": "Papa 514 555 0199", "show_tribute": "y"},
            "tribute_name",
            "without a phone number",
            "sans numéro",
        ),
    ],
)
def test_a_name_that_says_too_much_is_refused_and_nothing_typed_is_lost(
    app: Flask, client: FlaskClient, campaign: Campaign, fields: dict[str, str], field: str, english: str, french: str
) -> None:
    for language, words in (("en", english), ("fr", french)):
        with app.app_context():
            answer = send(client, language, on_wall="y", show_province="y", **fields)
        assert answer.status_code == 422
        page = html.unescape(answer.text)
        [error] = re.findall(rf'id="{field}-error">([^<]*)<', page)
        assert words in error
        assert ["checked" in box(answer.text, name) for name in ("on_wall", "show_province", "anonymous")] == [True, True, False]
        typed = fields[field]
        assert typed in page and "open>\n      <summary" in answer.text


def test_a_last_name_is_no_matter_where_no_name_is_shown(client: FlaskClient, campaign: Campaign) -> None:
    name = " ".join(NAME)
    assert send(client, "en", public_name=name).status_code == 303
    assert send(client, "en", public_name=name, on_wall="y", anonymous="y").status_code == 303
    assert wall_entries.consent_of(latest(campaign)) == WallConsent(name="", shows_province=False, shows_tribute=False)


def test_who_sends_a_form_again_with_another_choice_is_asked(client: FlaskClient, campaign: Campaign) -> None:
    first = hidden_fields(client.get(f"/en/{SLUG}"))
    assert send(client, "en", on_wall="y", **first).status_code == 303
    assert send(client, "en", on_wall="y", **first).status_code == 303, "the same again goes on to the same payment"
    assert send(client, "en", on_wall="y", show_province="y", **first).status_code == 409
    assert send(client, "en", **first).status_code == 409
    assert db.session.query(Donation).count() == 1


def test_the_section_is_there_once_there_is_somebody_and_in_both_languages(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    assert "Who gave" not in open_page(client, f"/en/{SLUG}").text
    assert "Nobody is shown here yet." in open_page(client, gifts_page()).text
    shown(campaign, consent("Jeanne"), province="QC", tribute_kind="honour", tribute_name="our nurses")
    shown(campaign, consent("", shows_tribute=False), province="BC", tribute_kind="memory", tribute_name="Papa")
    shown(campaign, consent("Ana"), province="NY", country="US")
    for language, heading, words in (
        ("en", "Who gave", ("Jeanne", "Quebec", "In honour of", "Someone", "British Columbia", "Ana")),
        (
            "fr",
            "Des personnes qui ont donné",
            ("Jeanne", "Québec", "En l’honneur d’", "Une personne", "Colombie-Britannique", "Ana"),
        ),
    ):
        for path in (f"/{language}/{SLUG}", gifts_page(language)):
            page = html.unescape(open_page(client, path).text)
            section = page.partition('class="gifts-shown"')[2].partition("</ul>")[0]
            assert heading in page and [word for word in words if word not in section] == [], path
            assert not re.search("Papa|New York|NY|US", section), path


def test_names_are_text(client: FlaskClient, campaign: Campaign) -> None:
    shown(campaign, consent(HOSTILE), tribute_kind="memory", tribute_name=HOSTILE)
    for path in (f"/en/{SLUG}", gifts_page("fr")):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert page.count(f"<bdi>{escape(HOSTILE)}</bdi>") == 2, path


def test_a_list_longer_than_a_page_goes_on_by_links(client: FlaskClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall, "SHOWN_ON_PAGE", 3)
    monkeypatch.setattr("campaign.web.public.campaigns.SHOWN_ON_CAMPAIGN", 3)
    gifts = [retained(campaign, consent(f"Name{end}")) for end in "ABCDEFG"]
    agree(*gifts)
    show(*gifts)
    assert client.get(f"/en/{SLUG}").text.count("<bdi>Name") == 3
    assert f'href="{gifts_page()}"' in client.get(f"/en/{SLUG}").text
    found, path = list[str](), gifts_page()
    while path:
        page = client.get(path).text
        found += re.findall(r"<bdi>(\w+)</bdi>", page)
        path = next(iter(re.findall(r'href="([^"]+after=[^"]+)"', page)), "")
    assert found == names(campaign) and len(found) == 7
    for nonsense in ("x", "0", "00000000-0000-0000-0000-000000000000", "-1' OR 1=1"):
        answer = client.get(f"{gifts_page()}?after={nonsense}")
        assert (answer.status_code, answer.text.count("<bdi>Name")) == (200, 3), nonsense


def test_each_campaign_has_its_own_and_a_draft_has_none(app: Flask, campaign: Campaign) -> None:
    shown(campaign)
    other = another_campaign(like=campaign)
    db.session.commit()
    assert "Nobody is shown here yet." in open_page(app.test_client(), f"/en/{other.slug}/gifts").text
    place = wall_entries.list_shown(campaign, limit=1)[0].place
    assert "Jeanne" not in open_page(app.test_client(), f"/en/{other.slug}/gifts?after={place}").text
    assert open_page(app.test_client(), "/en/unknown/gifts").status_code == 404


def change(client: FlaskClient, donation: Donation, **fields: str) -> TestResponse:
    path = f"/en/donations/{donation.token}/wall"
    return submit(client, open_page(client, path), path, **fields)


def test_a_donor_changes_and_withdraws_what_is_shown(app: Flask, campaign: Campaign) -> None:
    gift = shown(campaign, consent("Jeanne"), province="QC", tribute_kind="memory", tribute_name="Papa")
    donor, path = app.test_client(), f"/en/donations/{gift.token}"
    grant_access(donor, gift)
    assert "It is shown now, among others." in open_page(donor, path).text
    refused = change(donor, gift, public_name=f"Jeanne {gift.last_name}", show_province="y")
    assert refused.status_code == 422 and "leave out your last name" in refused.text
    assert str(escape(gift.last_name)) in box(refused.text, "public_name") and names(campaign) == ["Jeanne"]
    assert change(donor, gift, public_name="x@example.org").status_code == 422
    assert change(donor, gift, anonymous="y", show_province="y").status_code == 303
    db.session.expire_all()
    [now] = wall_entries.list_shown(campaign, limit=9)
    assert (now.name, now.province, now.tribute_kind, gift.anonymous) == ("", "QC", None, True)
    assert change(donor, gift, public_name="Jeannot").status_code == 303
    db.session.expire_all()
    assert (names(campaign), entry_of(gift).name, gift.public_name) == ([], "Jeannot", "Jeannot")
    assert "The foundation checks it first." in open_page(donor, path).text
    wall_actions.decide(gift, Decision.REFUSED, version=entry_of(gift).version, actor=CLERK)
    assert "The foundation does not show it." in open_page(donor, path).text
    withdrawal = f"{path}/wall/withdrawals"
    assert submit(app.test_client(), open_page(app.test_client(), f"/en/{SLUG}"), withdrawal).status_code in {400, 403}
    page = open_page(donor, path)
    assert submit(donor, page, withdrawal).status_code == 303
    assert "On the campaign’s page" not in open_page(donor, path).text
    assert open_page(donor, f"{path}/wall").status_code == 303, "there is nothing to change"
    assert (entry_of(gift).name, entry_of(gift).withdrawn_at is not None) == ("", True)


@pytest.mark.parametrize(("language", "heading"), [("en", "What is shown of your gift of"), ("fr", "Ce qui est affiché de votre don du")])
def test_the_page_of_all_gifts_says_what_is_shown(app: Flask, campaign: Campaign, language: str, heading: str) -> None:
    gift = shown(campaign, consent("Jeanne"), province="QC", tribute_kind="honour", tribute_name="Ana")
    client = app.test_client()
    grant_access(client, gift)
    page = html.unescape(open_page(client, f"/{language}/my-gifts").text)
    assert [words for words in (heading, "Jeanne", f"/{language}/donations/{gift.token}#wall") if words not in page] == []
    wall_actions.withdraw(gift)
    assert heading not in html.unescape(open_page(client, f"/{language}/my-gifts").text)


@pytest.mark.parametrize("is_own", [True, False])
def test_the_page_of_a_gift_shows_its_dedication_and_to_its_donor_the_message(
    client: FlaskClient, campaign: Campaign, is_own: bool
) -> None:
    gift = shown(campaign, consent("Jeanne"), tribute_kind="memory", tribute_name="Ana", message="For <her>")
    if is_own:
        grant_access(client, gift)
    page = open_page(client, f"/fr/donations/{gift.token}").text
    facts = html.unescape(page.partition('<dl class="facts">')[2].partition("</dl>")[0])
    assert ("À la mémoire d’Ana" in facts, "For <her>" in facts) == (True, is_own)


def test_staff_read_each_before_it_is_shown(app: Flask, campaign: Campaign) -> None:
    first = retained(campaign, consent("Jeanne"), province="QC", tribute_kind="memory", tribute_name="Papa")
    second = retained(campaign, consent(HOSTILE))
    assert staff_todo.todo_of(campaign).wall == 2
    viewer, clerk = signed_in(app, "viewer", address="viewer@example.org"), signed_in(app, "clerk", address=CLERK)
    page = open_page(viewer, "/staff/wall?lang=en").text
    assert "Jeanne" in page and "Quebec" in page and "In memory of" in page and "Clerks decide" in page
    assert "<script>alert" not in page and "Show it" not in page
    assert "2 gifts wait to be shown" in open_page(viewer, "/staff/?lang=en").text

    def decide(member: FlaskClient, decision: str, *, version: int = 1, back: str = "") -> tuple[int, str]:
        path = f"/staff/donations/{first.public_id}/wall/decisions"
        answer = submit(member, open_page(member, "/staff/wall"), path, decision=decision, version=version, back=back)
        return answer.status_code, answer.location or ""

    app.config["WTF_CSRF_ENABLED"] = False
    decisions = f"/staff/donations/{first.public_id}/wall/decisions"
    for member, path, status in (
        (viewer, decisions, 403),
        (viewer, "/staff/wall/agreements", 403),
        (clerk, "/staff/donations/d_00000000000000000000/wall/decisions", 404),
    ):
        with app.app_context():
            assert member.post(path, data={"decision": "agreed"}).status_code == status, path
    assert decide(clerk, "edited")[0] == 400
    for version in (2, "", "x", "9" * 30):
        assert decide(clerk, "agreed", version=version)[0] == 303  # type: ignore[arg-type]  # nonsense
    assert entry_of(first).decision is None, "none of them is the version that was read"
    assert decide(clerk, "agreed", back="list") == (303, "/staff/wall")
    assert f"as {CLERK} decided" in open_page(viewer, f"/staff/donations/{first.public_id}?lang=en").text
    assert f"as {CLERK} decided" in open_page(viewer, f"/staff/donors/{first.donor_id}?lang=en").text
    assert decide(clerk, "open")[0] == 303 and entry_of(first).decision is None
    assert decide(clerk, "refused")[0] == 303 and entry_of(first).decision == "refused"
    assert [donation.id for _, donation in wall_entries.list_waiting(campaign, limit=9)] == [second.id]
    with app.test_request_context():
        content = person_file.build(second.donor_id).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert any("On the campaign’s page" in archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


def test_staff_agree_to_all_that_they_have_read_once_they_confirm_it(app: Flask, campaign: Campaign) -> None:
    read = [retained(campaign, consent(name)) for name in ("Ana", "Bo", "Cy", "Di")]
    clerk = signed_in(app, "clerk", address=CLERK)
    page = open_page(clerk, "/staff/wall?lang=en")
    assert "Show all of them" in page.text
    fields: dict[str, Any] = {
        "donation": re.findall(r'name="donation" value="(\w+)"', page.text),
        "version": re.findall(r'name="version" value="(\d+)"', page.text)[-4:],
    }
    assert fields["donation"] == [donation.public_id for donation in read]
    assert submit(clerk, page, "/staff/wall/agreements", **fields).status_code == 303
    assert [entry_of(donation).decision for donation in read] == [None] * 4, "without the tick"
    changed, withdrawn = read[1], read[2]
    wall_actions.change(changed, consent("Somebody else"), public_name="Somebody else", is_anonymous=False)
    wall_actions.withdraw(withdrawn)
    late = retained(campaign, consent("Late"))
    assert submit(clerk, page, "/staff/wall/agreements", confirmed="y", **fields).status_code == 303
    assert [entry_of(donation).decision for donation in (*read, late)] == ["agreed", None, None, "agreed", None]
    assert "2 gifts appear" in open_page(clerk, "/staff/wall?lang=en").text
    assert submit(clerk, page, "/staff/wall/agreements", confirmed="y", donation=["d_1", "d_2"], version=["1"]).status_code == 400
    assert submit(clerk, page, "/staff/wall/agreements", confirmed="y", donation=["d_1"] * 51, version=["1"] * 51).status_code == 400
    assert submit(clerk, page, "/staff/wall/agreements", confirmed="y", donation=["d_1"], version=["1"]).status_code == 303


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.mark.browser
@pytest.mark.skipif(chromium_path() is None, reason="no browser on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_pages_fit_a_phone_and_a_screen_reader(app: Flask, campaign: Campaign, chromium: Browser, language: str, scheme: str) -> None:
    gift = shown(campaign, consent("Wolfeschlegelsteinhausenbergerdorff" * 2), province="NL", tribute_kind="honour", tribute_name="A" * 120)
    others = [retained(campaign, consent("نادیہ"), province="BC"), retained(campaign, consent(""))]
    agree(*others)
    show(*others)
    donor = app.test_client()
    grant_access(donor, gift)
    cookie = donor.get_cookie("session")
    assert cookie
    with serve(app) as url:
        context = chromium.new_context(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]  # one of two words
        context.add_cookies([{"name": "session", "value": cookie.value, "url": url}])
        page = context.new_page()
        page_of_gift = f"/{language}/donations/{gift.token}"
        for path in (gifts_page(language), f"/{language}/{SLUG}", page_of_gift, f"{page_of_gift}/wall"):
            page.goto(f"{url}{path}")
            found = Axe().run(page)
            assert [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found.response["violations"]] == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        context.close()
