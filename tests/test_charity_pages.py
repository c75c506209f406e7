"""The charity's pages about accessibility, refunds and terms, its own section about privacy, and the pages on which staff change their texts."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, IntegrityError
from werkzeug.test import TestResponse

from campaign.campaigns import campaign_actions, charity_page_actions
from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charity_pages import CharityPage
from campaign.edges.db import db
from campaign.rules.page_text import PageKind
from campaign.staff.audit import AuditEntry
from tests.browser import chromium_path, open_browser, serve
from tests.factories import another_campaign, another_charity, paid
from tests.web import SLUG, open_page, signed_in, submit

PAGE = "/staff/charity/pages"
OWN = {
    "text_en": "## Ours\r\n\r\nWe refund.\r\n\r\n- one\r\n- two, see https://a.ca/x.",
    "text_fr": "## Chez nous\r\n\r\nNous remboursons.",
}
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) javascript:alert(1) "
    'https://a.ca/"onmouseover="alert(1) {{ 7*7 }} {% raw %} &lt;b&gt;\n\n## <b>Title</b>\n\n- </ul><script>alert(1)</script>'
)
LONG = "Supercalifragilistic" * 20
KINDS = ("accessibility", "refunds", "terms")


@pytest.fixture
def manager(app: Flask, campaign: Campaign) -> FlaskClient:
    return signed_in(app, "manager")


class Read(HTMLParser):
    """The tags and the links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.links = set[str](), list[dict[str, str | None]]()
        self.attributes = set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [dict(attrs)] if tag == "a" else []


def public(app: Flask, kind: str, language: str = "en", slug: str = SLUG) -> TestResponse:
    return open_page(app.test_client(), f"/{language}/{slug}/{kind}")


def main_of(page: TestResponse) -> str:
    return page.text.partition("<main")[2].partition("</main>")[0]


def seen(page: TestResponse) -> str:
    return page.text.partition('name="seen" value="')[2].partition('"')[0]


def change(client: FlaskClient, kind: str = "refunds", **fields: str) -> TestResponse:
    page = open_page(client, f"{PAGE}/{kind}")
    return submit(client, page, f"{PAGE}/{kind}", **{"seen": seen(page), **OWN, **fields})


def versions() -> list[CharityPage]:
    db.session.expire_all()
    return list(db.session.scalars(select(CharityPage).order_by(CharityPage.id)))


def test_each_page_has_a_default_text_in_both_languages_and_leads_to_the_other(app: Flask, campaign: Campaign) -> None:
    campaign.charity.email, campaign.charity.phone = "aide@example.ca", "+1 514 555 0100"
    db.session.commit()
    said = {
        "accessibility": ("WCAG 2.2", "WCAG 2.2", "Problem with this page?", "Un problème avec cette page?"),
        "refunds": ("within 30 days", "dans les 30 jours", "receipt is cancelled", "reçu officiel est annulé"),
        "terms": ("Canadian dollars", "dollars canadiens", campaign.charity.registration_number, "Tant qu’il reste du jumelage"),
    }
    for kind, (english, french, *more) in said.items():
        pages = {language: public(app, kind, language) for language in ("en", "fr")}
        assert english in pages["en"].text and french in pages["fr"].text
        assert all(words in pages["en"].text or words in pages["fr"].text for words in more)
        for language, other in (("en", "fr"), ("fr", "en")):
            page = pages[language].text
            assert f'<html lang="{language}">' in page and f'href="/{other}/{SLUG}/{kind}"' in page
            assert 'href="mailto:aide@example.ca"' in page
            assert page.count("<h1>") == 1 and "%(" not in page
    assert "appelez au +1 514 555 0100" in public(app, "refunds", "fr").text


def test_all_pages_for_donors_lead_to_them_and_so_does_the_site_map(app: Flask, campaign: Campaign) -> None:
    gift = paid(campaign)
    addresses = [f"/{{}}/{SLUG}", f"/{{}}/donations/{gift.token}", f"/{{}}/{SLUG}/privacy", *(f"/{{}}/{SLUG}/{kind}" for kind in KINDS)]
    for language in ("en", "fr"):
        for address in addresses:
            links = {str(link["href"]) for link in Read(open_page(app.test_client(), address.format(language)).text).links}
            wanted = {f"/{language}/{SLUG}/{page}" for page in (*KINDS, "privacy", "accessibility#contact")}
            assert wanted <= links, address
        listed = open_page(app.test_client(), "/sitemap.xml").text
        assert all(f"/{language}/{SLUG}/{kind}</loc>" in listed for kind in KINDS)
    assert 'id="contact"' in public(app, "accessibility").text


def test_strangers_find_no_page_of_drafts_and_none_that_is_not_there(app: Flask, campaign: Campaign) -> None:
    draft = another_campaign(like=campaign)
    db.session.commit()
    for kind in (*KINDS, "privacy"):
        assert public(app, kind, slug=draft.slug).status_code == 200
    campaign_actions.take_back(draft, actor="test")
    for kind in (*KINDS, "privacy"):
        for slug in (draft.slug, "unknown", "a%00b", "x" * 500):
            assert public(app, kind, slug=slug).status_code in {400, 404}, (kind, slug)
    assert public(app, "no-such-page").status_code == public(app, "terms", "de").status_code == 404


def test_a_manager_writes_a_text_in_both_languages_and_donors_read_it_at_once(app: Flask, manager: FlaskClient) -> None:
    form = open_page(manager, f"{PAGE}/refunds")
    assert "This is the default text" in form.text and "## How to ask" in form.text and "## Comment demander" in form.text
    assert change(manager).status_code == 303
    english, french = (main_of(public(app, "refunds", language)) for language in ("en", "fr"))
    assert "<h2>Ours</h2>" in english and "<li>one</li>" in english and "within 30 days" not in english
    assert '<a href="https://a.ca/x" rel="noopener nofollow">https://a.ca/x</a>.' in english
    assert "<h2>Chez nous</h2>" in french and "Dernière modification" in french
    listed = open_page(manager, PAGE).text
    assert "Your own text" in listed and "by member@example.org" in listed and listed.count("Default text") == 2
    [entry] = db.session.scalars(select(AuditEntry).where(AuditEntry.action == charity_page_actions.CHANGED))
    assert entry.actor == "member@example.org" and entry.detail["page"] == "refunds"
    trail = open_page(manager, "/staff/audit").text
    assert "changed the text of a public page" in trail and "Refunds" in trail
    assert "a modifié le texte d’une page publique" in open_page(manager, "/staff/audit?lang=fr").text


def test_nothing_is_stored_of_a_text_that_was_not_changed(app: Flask, manager: FlaskClient) -> None:
    for kind in KINDS:
        form = open_page(manager, f"{PAGE}/{kind}")
        areas = re.findall(r"<textarea[^>]*>([^<]*)</textarea>", form.text)
        typed = dict(zip(("text_en", "text_fr"), (area.replace("&#39;", "'").replace("&amp;", "&") for area in areas), strict=True))
        assert submit(manager, form, f"{PAGE}/{kind}", seen="0", **typed).status_code == 303
    assert versions() == []
    change(manager)
    change(manager)
    assert len(versions()) == 1


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"text_fr": ""}, "text_fr", "both languages"),
        ({"text_en": " \r\n\t "}, "text_en", "both languages"),
        ({"text_en": "x" * 10_001}, "text_en", "too long"),
        ({"text_fr": "a\x07b"}, "text_fr", ""),
        ({"text_en": "a\u202eb"}, "text_en", ""),
    ],
)
def test_a_wrong_text_is_refused_at_its_field_and_nothing_typed_is_lost(
    app: Flask, manager: FlaskClient, fields: dict[str, str], field: str, said: str
) -> None:
    answer = change(manager, **fields)
    assert answer.status_code == 422 and f'id="{field}-error"' in answer.text and said in answer.text
    other = "text_fr" if field == "text_en" else "text_en"
    assert OWN[other].split()[1] in answer.text and f'id="{other}-error"' not in answer.text
    assert versions() == []


def test_what_is_too_large_or_broken_is_no_error_of_ours(app: Flask, manager: FlaskClient) -> None:
    assert change(manager, text_en="希" * 60_000).status_code == 413
    for wrong in ("²", "-1", "9" * 30, "", "x"):
        assert change(manager, seen=wrong).status_code in {303, 422}
    page = open_page(manager, f"{PAGE}/refunds/versions")
    for wrong in ("²", "-1", "9" * 30, "x", "0"):
        assert submit(manager, page, f"{PAGE}/refunds/restorations", version=wrong, seen=wrong).status_code == 404
    assert open_page(manager, f"{PAGE}/other").status_code == 404


def test_a_hostile_text_is_a_text(app: Flask, manager: FlaskClient) -> None:
    campaign = db.session.query(Campaign).one()
    before = {path: Read(public(app, path).text) for path in ("terms", "privacy")}
    for kind, default in before.items():
        change(manager, kind, text_en=HOSTILE, text_fr=HOSTILE)
        page = public(app, kind)
        read = Read(page.text)
        assert read.tags - default.tags <= {"ul", "li", "h3"} and "script" not in read.tags
        assert read.attributes - default.attributes <= {"id"}
        assert {str(link["href"]).partition(":")[0] for link in read.links if ":" in str(link["href"])} <= {"https", "mailto", "tel"}
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text and "{{ 7*7 }}" in page.text
        assert [link["href"] for link in read.links if "a.ca" in str(link["href"])] == ["https://a.ca/"]
    for path in (f"{PAGE}/terms", f"{PAGE}/terms/versions", PAGE):
        assert "<script>alert" not in open_page(manager, path).text
    preview = submit(manager, open_page(manager, PAGE), f"{PAGE}/terms/preview/en", text_en=HOSTILE)
    assert preview.status_code == 200 and "<script>alert" not in preview.text and "&lt;script&gt;" in preview.text
    assert campaign.is_public


def test_privacy_has_a_section_of_the_charity_after_what_the_settings_say(app: Flask, manager: FlaskClient) -> None:
    assert "More from us" not in public(app, "privacy").text
    assert "a section of your own" in open_page(manager, f"{PAGE}/privacy").text
    change(manager, "privacy")
    page = main_of(public(app, "privacy"))
    assert '<h2 id="own">More from us about your data</h2>' in page and "<h3>Ours</h3>" in page and "Stripe" in page
    assert "<h3>Chez nous</h3>" in main_of(public(app, "privacy", "fr"))
    assert "<h3>Ours</h3>" in open_page(app.test_client(), "/en/privacy").text


def test_a_preview_shows_what_is_typed_and_stores_nothing(app: Flask, manager: FlaskClient) -> None:
    form = open_page(manager, f"{PAGE}/terms")
    for kind in ("terms", "privacy"):
        for language, words in (("en", "Ours</h"), ("fr", "Chez nous</h")):
            page = submit(manager, form, f"{PAGE}/{kind}/preview/{language}", **OWN)
            assert page.status_code == 200 and words in page.text and f'<html lang="{language}">' in page.text
            assert 'role="note" lang="en"><p><strong>Preview</strong> Nothing of this is stored.' in page.text
    assert versions() == [] and "Ours" not in public(app, "terms").text


def test_every_version_stays_and_the_default_and_an_earlier_one_are_restored(app: Flask, manager: FlaskClient) -> None:
    assert "Nobody has changed it yet." in open_page(manager, f"{PAGE}/refunds/versions").text
    change(manager)
    change(manager, text_en="Second", text_fr="Deuxième")
    history = open_page(manager, f"{PAGE}/refunds/versions")
    first, second = versions()
    assert history.text.index("Second") < history.text.index("<h3>Ours</h3>") and history.text.count("member@example.org") >= 2
    assert history.text.count("Restore this text") == 1
    assert submit(manager, history, f"{PAGE}/refunds/restorations", version="", seen=str(first.id)).location.endswith("/versions")
    assert len(versions()) == 2, "somebody has changed it meanwhile"
    assert submit(manager, history, f"{PAGE}/refunds/restorations", version="", seen=str(second.id)).status_code == 303
    assert "within 30 days" in public(app, "refunds").text and "Default text" in open_page(manager, PAGE).text
    shown_now = open_page(manager, f"{PAGE}/refunds/versions")
    submit(manager, shown_now, f"{PAGE}/refunds/restorations", version=str(first.id), seen=seen(shown_now))
    assert "<h2>Ours</h2>" in public(app, "refunds").text
    assert [page.text_en[:6] for page in versions()] == ["## Our", "Second", "", "## Our"]
    assert len(db.session.scalars(select(AuditEntry).where(AuditEntry.action == charity_page_actions.RESTORED)).all()) == 2
    terms = submit(manager, shown_now, f"{PAGE}/terms/restorations", version=str(first.id), seen="0")
    assert terms.status_code == 404, "a text of another page"


def test_a_text_that_somebody_else_has_changed_is_shown_first(app: Flask, manager: FlaskClient) -> None:
    page = open_page(manager, f"{PAGE}/terms")
    change(manager, "terms", text_en="Of somebody else")
    late = submit(manager, page, f"{PAGE}/terms", seen=seen(page), **OWN)
    assert late.status_code == 422 and "Stored now: Of somebody else" in late.text and "## Ours" in late.text
    assert submit(manager, late, f"{PAGE}/terms", seen=seen(late), **OWN).status_code == 303
    assert [one.text_en[:5] for one in versions()] == ["Of so", "## Ou"]


def test_each_charity_has_texts_of_its_own(app: Flask, campaign: Campaign, manager: FlaskClient) -> None:
    other = another_campaign(like=campaign, charity=another_charity())
    db.session.commit()
    change(manager)
    assert "We refund." in public(app, "refunds").text
    assert "We refund." not in public(app, "refunds", slug=other.slug).text
    [stored] = versions()
    form = open_page(manager, f"{PAGE}/refunds?campaign={other.slug}")
    assert seen(form) == "0" and "We refund." not in form.text
    path = f"{PAGE}/refunds/restorations?campaign={other.slug}"
    assert submit(manager, form, path, version=str(stored.id), seen="0").status_code == 404


def test_managers_change_texts_and_others_read_them(app: Flask, campaign: Campaign) -> None:
    for role in ("viewer", "clerk"):
        client = signed_in(app, role, address=f"{role}@example.org")
        listed = open_page(client, PAGE)
        assert listed.status_code == 200 and f'href="{PAGE}/terms"' not in listed.text and "Managers change them." in listed.text
        assert open_page(client, f"{PAGE}/terms/versions").status_code == 200
        assert open_page(client, f"{PAGE}/terms").status_code == 403
        for path in ("terms", "terms/preview/en", "terms/restorations"):
            assert submit(client, open_page(app.test_client(), f"/en/{SLUG}"), f"{PAGE}/{path}", seen="0", **OWN).status_code in {400, 403}
    stranger = app.test_client()
    assert open_page(stranger, PAGE).status_code == open_page(stranger, f"{PAGE}/terms").status_code == 302
    stale = signed_in(app, "manager", address="stale@example.org")
    with stale.session_transaction() as session:
        session["fs_paa"] = 0
    assert "/staff/verify" in open_page(stale, f"{PAGE}/terms").location
    assert versions() == []


@pytest.mark.parametrize(
    "statement",
    [
        *("UPDATE charity_page SET text_en = 'x'", "UPDATE charity_page SET changed_by = 'x'", "DELETE FROM charity_page"),
        "TRUNCATE charity_page",
    ],
)
@pytest.mark.owner
def test_the_database_refuses_to_change_a_version(app: Flask, campaign: Campaign, statement: str) -> None:
    charity_page_actions.change(campaign.charity, PageKind.TERMS, text_en="a", text_fr="b", seen_id=0, actor="test")
    with pytest.raises(DatabaseError, match="append-only"):
        db.session.execute(text(statement))
    db.session.rollback()
    db.session.execute(text("ALTER TABLE charity_page DISABLE TRIGGER USER"))
    db.session.execute(text(statement))  # Control: it is the trigger that refuses it.
    db.session.rollback()


@pytest.mark.parametrize(("kind", "english", "french"), [("terms", "a", ""), ("terms", "", "b"), ("other", "a", "b")])
def test_the_database_refuses_one_language_alone_and_unknown_pages(
    app: Flask, campaign: Campaign, kind: str, english: str, french: str
) -> None:
    db.session.add(CharityPage(charity_id=campaign.charity_id, kind=kind, text_en=english, text_fr=french, changed_by="test"))
    with pytest.raises(IntegrityError):
        db.session.flush()
    db.session.rollback()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit_320_pixels_whatever_is_written(
    app: Flask, campaign: Campaign, chromium: Browser, scheme: str
) -> None:
    words = f"{LONG}\n\n## {LONG}\n\n- {LONG} https://a.ca/{LONG}\n- two"
    charity_page_actions.change(campaign.charity, PageKind.TERMS, text_en=words, text_fr=words, seen_id=0, actor="test")
    charity_page_actions.change(campaign.charity, PageKind.PRIVACY, text_en=words, text_fr=words, seen_id=0, actor="test")
    with serve(app) as address:
        page = chromium.new_page(viewport={"width": 320, "height": 800}, color_scheme="dark" if scheme == "dark" else "light")
        for language in ("en", "fr"):
            for kind in (*KINDS, "privacy"):
                page.goto(f"{address}/{language}/{SLUG}/{kind}")
                assert page.evaluate("document.documentElement.scrollWidth") == 320, (kind, language)
                assert [violation["id"] for violation in Axe().run(page).response["violations"]] == [], (kind, language)
        page.close()


@pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")
def test_the_pages_of_staff_are_accessible_and_fit_320_pixels(app: Flask, chromium: Browser, manager: FlaskClient) -> None:
    change(manager)
    change(manager, text_en=LONG, text_fr="Deuxième")
    cookie = manager.get_cookie("session")
    assert cookie
    with serve(app) as address:
        context = chromium.new_context(viewport={"width": 320, "height": 800})
        context.add_cookies([{"name": "session", "value": cookie.value, "url": address}])
        page = context.new_page()
        for language in ("en", "fr"):
            for path in ("", "/refunds", "/refunds/versions"):
                page.goto(f"{address}{PAGE}{path}?lang={language}")
                assert page.title(), path
                assert page.evaluate("document.documentElement.scrollWidth") == 320, (path, language)
                assert [violation["id"] for violation in Axe().run(page).response["violations"]] == [], (path, language)
        context.close()
