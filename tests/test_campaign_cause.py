"""What gifts go to: each campaign's own word, which all sentences to its donors name, in the reader's language."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.staff.audit import AuditEntry
from tests.conftest import Post
from tests.factories import paid
from tests.mail import last_email, text_of
from tests.test_texts import ENGLISH, FRENCH
from tests.web import SLUG, open_page, signed_in, submit

CAUSES = {"en": "the emergency fund", "fr": "le fonds d’urgence"}
TAGS = re.compile(r"<[^>]+>")


@pytest.fixture
def urgent(campaign: Campaign, fund: Fund) -> Campaign:
    """A campaign for something else than research, whose own texts do not name it."""
    campaign.cause_en, campaign.cause_fr = CAUSES["en"], CAUSES["fr"]
    for name in ("lead", "story"):
        for of in ("en", "fr"):
            setattr(campaign, f"{name}_{of}", "…")
    db.session.commit()
    return campaign


def words_of(html: str) -> str:
    return " ".join(TAGS.sub(" ", html).split())


def pages_of(client: FlaskClient, donation: Donation, language: str) -> Iterator[str]:
    yield words_of(open_page(client, f"/{language}/{SLUG}?amount=100").text)
    yield open_page(client, f"/{language}/donations/{donation.token}").text
    yield str(client.get(f"/{language}/{SLUG}/quote?amount=100").json)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_pages_and_emails_name_the_cause_of_the_campaign_and_no_other(
    app: Flask, client: FlaskClient, urgent: Campaign, post: Post, language: str
) -> None:
    donation = paid(urgent, 100_00, language=language)
    send_jobs.send_due()
    seen = [unquote(page) for page in pages_of(client, donation, language)] + [text_of(last_email(post, donation))]
    paid(urgent, urgent.goal_cents)
    seen.append(words_of(open_page(client, f"/{language}/{SLUG}").text))
    expected = {
        "en": [
            *("Give $100, the emergency fund receives $200", "With your gift, the emergency fund receives $200"),
            *("A campaign that funds the emergency fund: ", "of $100: the emergency fund receives $200."),
            *("the emergency fund receives all of your gift", "Every gift still funds the emergency fund."),
        ],
        "fr": [
            *("Donner 100 $ : le fonds d’urgence reçoit 200 $", "Grâce à votre don, le fonds d’urgence reçoit 200 $"),
            *("Une campagne qui finance le fonds d’urgence : ", "de 100 $ : le fonds d’urgence reçoit 200 $."),
            *("le fonds d’urgence reçoit tout votre don", "Chaque don continue de financer le fonds d’urgence."),
        ],
    }
    all_words = " ".join(seen).replace("\u00a0", " ")
    assert [words for words in expected[language] if words not in all_words] == []
    assert re.findall(r"[^.]*\b(?:research|recherche)\b[^.]*", all_words, re.IGNORECASE) == []


def test_no_text_names_research_but_the_help_for_whoever_writes_the_cause() -> None:
    """`recherche` is a search in French, too."""
    assert [words for words in ENGLISH if re.search("research", words, re.IGNORECASE) and not words.startswith("Singular")] == []
    assert [words for words in FRENCH if re.search(r"\bla recherche\b", words) and not words.startswith("Au singulier")] == []


def test_the_cause_begins_no_sentence_and_follows_nothing_that_contracts() -> None:
    for words in (*ENGLISH, *FRENCH):
        assert not re.search(r"(?:^|[.!?] )%\(cause\)s|\b(?:[àÀ]|[dD]e|du|au) %\(cause\)s|%\(cause\)s[.!?]\w", words), words


def edit(client: FlaskClient, **changed: str) -> TestResponse:
    path = f"/staff/campaigns/{SLUG}/edit"
    page = open_page(client, path)
    fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page.text))
    areas = {name: unescape(words) for name, words in re.findall(r'<textarea id="(\w+)"[^>]*>([^<]*)</textarea>', page.text)}
    switches = dict.fromkeys(("match_counts", "takes_bank_debits", "holds_match"), "yes")
    return submit(client, page, path, **{**fields, **areas, **switches, **changed})


def test_managers_change_the_cause_and_the_audit_trail_has_it(app: Flask, campaign: Campaign, client: FlaskClient) -> None:
    manager = signed_in(app, "manager")
    for wrong in ({"cause_fr": ""}, {"cause_en": "research."}, {"cause_en": "x" * 61}, {"cause_fr": "le fonds\u202e"}):
        refused = edit(manager, **wrong)
        assert (refused.status_code, f'id="{next(iter(wrong))}-error"' in refused.text) == (422, True), wrong
    assert edit(manager, cause_en="  palliative   care ", cause_fr="l’aide aux familles").status_code == 303
    assert "palliative care receives all of your gift" in open_page(client, f"/en/{SLUG}").text
    assert "l’aide aux familles reçoit tout votre don" in open_page(client, f"/fr/{SLUG}").text
    entry = db.session.query(AuditEntry).order_by(AuditEntry.id.desc()).first()
    assert entry
    was, now = ({of: entry.detail[when][f"cause_{of}"] for of in ("en", "fr")} for when in ("before", "after"))
    assert was == {"en": "research", "fr": "la recherche"}
    assert now == {"en": "palliative care", "fr": "l’aide aux familles"}


def test_a_preview_has_the_cause_as_it_is_typed_and_a_new_campaign_asks_for_one(app: Flask, campaign: Campaign) -> None:
    manager = signed_in(app, "manager")
    page = open_page(manager, "/staff/campaigns/new")
    assert re.search(r'name="cause_en"[^>]* value=""', page.text)
    shown = submit(manager, page, "/staff/campaigns/new/preview/en", cause_en="the <b>school</b>")
    assert "the &lt;b&gt;school&lt;/b&gt; receives all of your gift" in shown.text
    without = submit(manager, page, "/staff/campaigns/new/preview/en", cause_en="")
    assert "research receives all of your gift" in without.text, "as the campaign that it is like"


@pytest.mark.parametrize("cause", ["", "x" * 61])
def test_the_database_refuses_a_cause_that_is_empty_or_long(campaign: Campaign, cause: str) -> None:
    with pytest.raises(IntegrityError, match="cause_is_short"):
        db.session.execute(text("UPDATE campaign SET cause_fr = :cause"), {"cause": cause})
    db.session.rollback()


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("cause_en", "Families"), ("cause_fr", "Les familles"), ("cause_fr", "les familles"), ("cause_fr", "des bourses")],
)
def test_a_cause_that_no_sentence_can_have_is_refused(app: Flask, campaign: Campaign, field: str, wrong: str) -> None:
    refused = edit(signed_in(app, "manager"), **{field: wrong})
    assert refused.status_code == 422
    assert f'id="{field}-error"' in refused.text


def test_what_gifts_were_given_for_does_not_change(app: Flask, campaign: Campaign) -> None:
    paid(campaign)
    db.session.commit()
    refused = edit(signed_in(app, "manager"), cause_fr="le soutien aux familles")
    assert (refused.status_code, "Gifts were given for this. It can no longer change." in refused.text) == (422, True)
