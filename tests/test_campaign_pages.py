"""Campaigns that managers create, change, preview, open and close on pages, and what donors then see."""

import re
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign, CampaignStatus, campaign_by_slug, default_campaign
from campaign.edges.db import db
from campaign.edges.pictures import UnusablePicture, page_picture
from campaign.reporting.integrity import checker
from campaign.reporting.totals import totals_of
from campaign.rules.pictures import PictureFlaw
from campaign.staff.audit import AuditEntry
from tests.factories import another_charity, paid
from tests.web import FORM, SLUG, hidden_fields, open_page, send, signed_in, submit

PAGE = "/staff/campaigns"
TEXTS = {
    "title_en": "Spring Appeal",
    "title_fr": "Appel du printemps",
    "lead_en": "Help us.",
    "lead_fr": "Aidez-nous.",
    "story_en": "## Why\r\n\r\nBecause.",
    "story_fr": "## Pourquoi\r\n\r\nParce que.",
}
AMOUNTS = {
    "goal_cents": "$20,000",
    "minimum_cents": "5",
    "maximum_cents": "10,000.00",
    "preset_1": "100",
    "preset_2": "50",
    "fee_percent_hundredths": "2.9",
    "fee_fixed_cents": "0.30",
    "match_counts": "yes",
}
BOUNDS = {
    "holds_match": "yes",
    "hold_share_percent": "50",
    "hold_checkout_percent": "10",
    "hold_checkout_cents": "1000",
    "hold_period_factor": "2",
    "hold_period_minutes": "120",
    "holds_per_email": "10",
    "holds_per_address": "50",
}
VALID = TEXTS | AMOUNTS | BOUNDS


@pytest.fixture
def manager(app: Flask, campaign: Campaign) -> FlaskClient:
    return signed_in(app, "manager")


def post(client: FlaskClient, path: str, at: str = "", **fields: str) -> TestResponse:
    """Send the form of the page at `path`, to `at` when that is another address."""
    page = open_page(client, path)
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    return submit(client, page, at or path, **({"version": version} | fields))


def act(client: FlaskClient, slug: str, name: str) -> TestResponse:
    return post(client, f"{PAGE}/{slug}", f"{PAGE}/{slug}/acts", act=name)


def stored(slug: str) -> Campaign:
    db.session.expire_all()
    found = campaign_by_slug(slug)
    assert found
    return found


def actions() -> list[str]:
    return [entry.action for entry in db.session.query(AuditEntry).order_by(AuditEntry.id) if "campaign" in entry.action][1:]


def test_a_campaign_is_drafted_opened_closed_and_opened_again_and_its_address_stays(app: Flask, manager: FlaskClient) -> None:
    charity = another_charity()
    db.session.commit()
    created = post(manager, f"{PAGE}/new", **VALID, charity=str(charity.id))
    assert (created.status_code, created.location) == (303, f"{PAGE}/spring-appeal")
    draft = stored("spring-appeal")
    assert (draft.status, draft.charity_id, draft.presets_cents, draft.fee_percent_hundredths) == (
        *(CampaignStatus.DRAFT, charity.id),
        *([50_00, 100_00], 290),
    )
    assert draft.takes_bank_debits is False
    stranger = app.test_client()
    public = [f"/en/{draft.slug}", f"/fr/{draft.slug}", f"/api/campaigns/{draft.slug}", f"/en/{draft.slug}/quote?amount=50"]
    assert {stranger.get(path).status_code for path in public} == {404}
    assert stranger.post(f"/en/{draft.slug}/donations", data=FORM).status_code == 404
    preview = open_page(signed_in(app, "viewer", address="viewer@example.org"), f"{PAGE}/{draft.slug}/preview/fr")
    assert 'role="note" lang="en"><p><strong>Preview</strong> This is what' in preview.text, "what it is, in the language of the member"
    assert "<h2>Pourquoi</h2>" in preview.text
    assert " inert>" in preview.text
    post(manager, f"{PAGE}/{draft.slug}/edit", **VALID, slug="spring")
    assert "No fund matches its gifts yet" in open_page(manager, f"{PAGE}/spring").text
    assert act(manager, "spring", "open").status_code == 303
    assert {stranger.get(path.replace("spring-appeal", "spring")).status_code for path in public} == {200}
    assert "Take the page back</button>" in open_page(manager, f"{PAGE}/spring").text
    paid(stored("spring"))
    page = open_page(manager, f"{PAGE}/spring")
    assert "Take the page back</button>" not in page.text
    assert "Close the campaign instead" in page.text
    act(manager, "spring", "hide")
    assert stored("spring").is_public, "somebody gave"
    post(manager, f"{PAGE}/spring/edit", **VALID, slug="other")
    assert campaign_by_slug("other") is None
    fields = hidden_fields(open_page(stranger, "/en/spring"))
    act(manager, "spring", "close")
    act(manager, "spring", "close")
    closed = open_page(stranger, "/en/spring").text
    assert "This campaign is over" in closed
    assert "give-form" not in closed
    assert "$100" in closed, "the result stays"
    with app.app_context():
        late = stranger.post("/en/spring/donations", data={**FORM, **fields})
    assert (late.status_code, "This campaign is over" in late.text) == (409, True)
    act(manager, "spring", "reopen")
    assert "give-form" in open_page(stranger, "/en/spring").text
    assert actions() == [
        *("created a campaign", "changed a campaign", "opened a campaign", "closed a campaign", "reopened a campaign"),
    ]
    assert checker.findings(db.engine) == []


def test_the_first_open_campaign_is_the_one_at_the_root(app: Flask, manager: FlaskClient, client: FlaskClient) -> None:
    post(manager, f"{PAGE}/new", **VALID)
    act(manager, "spring-appeal", "open")
    assert open_page(client, "/en/").location.endswith(f"/en/{SLUG}")
    act(manager, SLUG, "close")
    assert open_page(client, "/en/").location.endswith("/en/spring-appeal")
    act(manager, "spring-appeal", "hide")
    assert open_page(client, "/en/").location.endswith(f"/en/{SLUG}"), "a closed one shows its result"
    act(manager, SLUG, "hide")
    db.session.expire_all()
    assert (default_campaign(), open_page(client, "/en/").status_code) == (None, 404)
    act(manager, SLUG, "open")
    assert stored(SLUG).takes_gifts


def test_each_field_that_is_wrong_says_what_to_do_and_nothing_typed_is_lost(app: Flask, manager: FlaskClient) -> None:
    wrong = {
        "title_fr": "",
        "story_fr": "\u2800\u0301",
        "lead_en": "a\u202eb",
        "title_en": "Sun \U000130b8",
        "goal_cents": "1,2,3",
        "minimum_cents": "200",
        "maximum_cents": "100",
        "preset_2": "lots",
        "fee_percent_hundredths": "99",
        "hold_share_percent": "101",
        "slug": "monthly",
    }
    refused = post(manager, f"{PAGE}/new", **VALID | wrong)
    assert refused.status_code == 422
    for name in wrong.keys() - {"minimum_cents"}:
        assert f'id="{name}-error"' in refused.text, name
    assert "a\u202eb" in refused.text or "lots" in refused.text
    assert "<details open>" in refused.text, "what is wrong is in sight"
    beyond = post(manager, f"{PAGE}/new", **VALID | {"preset_1": "20000"})
    assert "Please write an amount from $5 to $10,000, or nothing." in beyond.text
    french = post(
        manager,
        f"{PAGE}/new?lang=fr",
        f"{PAGE}/new",
        **VALID | {"goal_cents": "1 234,56 $", "fee_percent_hundredths": "2,9", "maximum_cents": "10 000", "fee_fixed_cents": "0,30"},
    )
    assert french.status_code == 303
    assert stored("spring-appeal").goal_cents == 1_234_56
    taken = post(manager, f"{PAGE}/new", **VALID | {"maximum_cents": "10000", "goal_cents": "20000"})
    assert (taken.status_code, "spring-appeal-2" in taken.text) == (422, True)


def test_the_second_of_two_editors_is_shown_what_changed_and_the_audit_trail_says_from_and_to(app: Flask, manager: FlaskClient) -> None:
    post(manager, f"{PAGE}/new", **VALID)
    path = f"{PAGE}/spring-appeal/edit"
    first = open_page(manager, path)
    version = first.text.partition('name="version" value="')[2].partition('"')[0]
    assert post(manager, path, **VALID | {"lead_en": "Help them."}).status_code == 303
    second = submit(manager, first, path, **VALID | {"version": version, "lead_en": "Help all.", "goal_cents": "30000"})
    assert second.status_code == 422
    assert "somebody has changed this" in second.text
    assert "Stored now: Help them." in second.text
    assert "Help all." in second.text
    version = second.text.partition('name="version" value="')[2].partition('"')[0]
    assert submit(manager, second, path, **VALID | {"version": version, "lead_en": "Help all.", "goal_cents": "30000"}).status_code == 303
    entry = db.session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
    assert entry
    assert (entry.detail["before"], entry.detail["after"]) == (
        {"goal_cents": 2000000, "lead_en": "Help them."},
        {"goal_cents": 3000000, "lead_en": "Help all."},
    )
    assert (
        "Nothing has changed."
        in open_page(manager, post(manager, path, **VALID | {"lead_en": "Help all.", "goal_cents": "30000"}).location).text
    )


def test_a_preview_shows_what_is_typed_and_stores_nothing(app: Flask, manager: FlaskClient) -> None:
    at = f"{PAGE}/new/preview/fr"
    shown = post(manager, f"{PAGE}/new", at, **VALID | {"goal_cents": "oops"})
    assert (shown.status_code, "<h2>Pourquoi</h2>" in shown.text, "1 field is not right yet" in shown.text) == (200, True, True)
    changed = post(manager, f"{PAGE}/{SLUG}/edit", f"{PAGE}/{SLUG}/preview/en", **VALID | {"title_en": "Typed"})
    assert ">Typed</h1>" in changed.text
    assert "give.js" not in changed.text
    db.session.expire_all()
    assert [one.title_en for one in db.session.query(Campaign)] == ["Vision Sanâa and Richard"]
    assert actions() == []


def test_a_match_that_does_not_count_toward_the_goal_is_shown_beside_it(app: Flask, campaign: Campaign, client: FlaskClient) -> None:
    paid(campaign, 20_000_00)
    assert "$40,000</strong> raised of" in client.get(f"/en/{SLUG}").text
    campaign.match_counts = False
    db.session.commit()
    totals = totals_of(SLUG)
    assert totals
    assert (totals.raised_cents, totals.toward_goal_cents) == (40_000_00, 20_000_00)
    page = client.get(f"/en/{SLUG}").text
    assert "$20,000</strong> given of $200,000" in page
    assert "10% of the goal" in page
    assert "Raised with the match</dt><dd>$40,000" in page
    assert "does not count" in open_page(signed_in(app, "viewer"), "/staff/").text


def jpeg(width: int = 2000, height: int = 1000, kind: str = "JPEG") -> bytes:
    saved, exif = BytesIO(), Image.Exif()
    exif[0x010E] = "where it was taken"
    Image.linear_gradient("L").resize((width, height)).save(saved, kind, exif=exif)
    return saved.getvalue()


def test_a_picture_is_made_smaller_and_has_words_in_both_languages(app: Flask, manager: FlaskClient, client: FlaskClient) -> None:
    path, alts = f"{PAGE}/{SLUG}/picture", {"picture_alt_en": "A hand", "picture_alt_fr": "Une main"}

    def upload(photo: bytes | None, **fields: str) -> TestResponse:
        page = open_page(manager, path)
        version = page.text.partition('name="version" value="')[2].partition('"')[0]
        with_file = {"picture": (BytesIO(photo), "photo.jpg")} if photo else {}
        data = {**hidden_fields(page), "version": version, **fields, **with_file}
        with app.app_context():
            return manager.post(path, data=data, content_type="multipart/form-data")

    assert 'id="picture_alt_fr-error"' in upload(jpeg(), picture_alt_en="A hand", picture_alt_fr="").text
    assert "too small" in upload(jpeg(200, 100), **alts).text
    assert "cannot be read" in upload(b"GIF89a", **alts).text
    assert upload(jpeg(), **alts).status_code == 303
    page = open_page(client, f"/fr/{SLUG}").text
    digest = stored(SLUG).picture
    assert f'src="/pictures/{digest}.jpg" width="1400" height="700" alt="Une main"' in page
    shown = client.get(f"/pictures/{digest}.jpg")
    assert (shown.mimetype, "immutable" in shown.headers["Cache-Control"], b"where it was taken" in shown.data) == (
        "image/jpeg",
        True,
        False,
    )
    assert upload(None, **alts | {"picture_alt_en": "Two hands"}).status_code == 303
    assert (stored(SLUG).picture, stored(SLUG).picture_alt_en) == (digest, "Two hands")
    assert upload(None, change="remove").status_code == 303
    assert (stored(SLUG).picture, "/pictures/" in open_page(client, f"/fr/{SLUG}").text) == (None, False)
    with pytest.raises(UnusablePicture) as error:
        page_picture(jpeg()[:5000])
    assert error.value.flaw is PictureFlaw.UNREADABLE


def test_only_managers_change_campaigns_and_their_address_stays_in_the_database_too(app: Flask, campaign: Campaign) -> None:
    clerk = signed_in(app, "clerk")
    for path in (f"{PAGE}/new", f"{PAGE}/{SLUG}/edit", f"{PAGE}/{SLUG}/picture"):
        assert open_page(clerk, path).status_code == 403
    assert "Managers change campaigns." in open_page(clerk, f"{PAGE}/{SLUG}").text
    assert open_page(clerk, PAGE).status_code == 200
    for change in ("slug = 'x'", "opened_at = NULL", "currency = 'USD'"):
        with pytest.raises(DatabaseError, match="was public"):
            db.session.execute(text(f"UPDATE campaign SET {change}"))
        db.session.rollback()
    assert send(app.test_client()).status_code == 303, "the control: it takes gifts"


WORDS = {
    "patient_words_en": "I can hold my son again.",
    "patient_words_fr": "Je peux de nouveau tenir mon fils.",
    "patient_name_en": "Marie, who lives with CIDP",
    "patient_name_fr": "Marie, qui vit avec une PDIC",
}


def test_a_patients_words_are_shown_in_the_readers_language_and_can_be_taken_back(app: Flask, campaign: Campaign) -> None:
    client, path = signed_in(app, "manager"), f"{PAGE}/{SLUG}/edit"

    def save(**changed: str) -> TestResponse:
        page = open_page(client, path)
        stored_fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page.text)) | dict(
            re.findall(r'<textarea id="(\w+)"[^>]*>([^<]*)</textarea>', page.text)
        )
        switches = dict.fromkeys(("match_counts", "takes_bank_debits", "holds_match"), "yes")
        return submit(client, page, path, **{**stored_fields, **switches, **changed})

    assert save(**WORDS | {"patient_name_fr": ""}).status_code == 422, "in both languages or in none"
    assert save(**WORDS).status_code == 303
    for language in ("en", "fr"):
        page = open_page(app.test_client(), f"/{language}/{SLUG}").text
        assert WORDS[f"patient_words_{language}"] in page and WORDS[f"patient_name_{language}"] in page
    assert save(**dict.fromkeys(WORDS, "")).status_code == 303
    assert "figure class" not in open_page(app.test_client(), f"/en/{SLUG}").text
    audited = db.session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "changed a campaign")).all()
    assert len(audited) == 2
    assert all("Marie" not in str(detail) and "hold my son" not in str(detail) for detail in audited), "the audit trail cannot be changed"


def test_the_next_goal_is_named_once_the_goal_is_reached(app: Flask, campaign: Campaign) -> None:
    campaign.next_goal_cents = campaign.goal_cents + 50_000_00
    db.session.commit()
    assert "The next goal" not in open_page(app.test_client(), f"/en/{SLUG}").text
    for n in range(8):
        paid(campaign, 25_000_00, email=f"{n}@example.org")
    db.session.commit()
    assert "The goal of $200,000 is reached: thank you! The next goal: $250,000" not in open_page(app.test_client(), f"/en/{SLUG}").text
    campaign.next_goal_cents = 300_000_00
    db.session.commit()
    assert "The goal of $200,000 is reached: thank you! The next goal: $300,000" in open_page(app.test_client(), f"/en/{SLUG}").text


def test_the_database_refuses_words_in_one_language_and_a_next_goal_that_is_none(campaign: Campaign) -> None:
    for change in ("patient_words_en = 'x'", "next_goal_cents = goal_cents"):
        with (
            pytest.raises(DatabaseError, match=r"words_of_patient_are_in_both_languages|next_goal_is_beyond_goal"),
            db.session.begin_nested(),
        ):
            db.session.execute(text(f"UPDATE campaign SET {change}"))
