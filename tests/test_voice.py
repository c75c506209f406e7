"""What docs/voice.md asks of all texts, as far as it can be checked: phrases that stay out, and two languages that say as much on every page."""

import re
from html.parser import HTMLParser

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from tests.factories import end, issue_receipt, paid, start_donation
from tests.test_texts import ENGLISH, FRENCH, texts
from tests.web import SLUG, open_page, signed_in

# Sentences that once were on our pages, and their kin.
OUT_IN_ENGLISH = (
    *("stands beside", "keeps? its place", "[Nn]eeds a person", "[Ii]t is done", "sta(?:y|ys) given", "comes? free", "come free"),
    *("does not work any more", "doubles every dollar", "a person looks", "[Tt]o go on", "what came of it", "as you wished"),
    *("giving back", "with us again", "in its turn", "whoever’s", "months? you have given", "we have told"),
)
OUT_IN_FRENCH = (
    *("n’a pas été complété", "revenue sans payer", "mois que vous avez donnés", "^Le changer", "demande quelqu’un", "vous espérons-nous"),
    *("prend sa place", "prenne sa place", "est en cours sous", "adresse de courriel", "don à part", "(?<![(])\\be-?mail"),
    *("définitivement", "\\bs’il vous plait\\b", "donateurs? et donatrices?|donateur\\(trice\\)|donateur·"),
)
# What is written alike in both languages.
ALIKE = {
    *("Alberta", "CSV", "Cause", "Code", "Confirmations", "Date", "Description", "Document", "Excel (XLSX)", "Journal", "Logo", "Manitoba"),
    *(
        "Menu",
        "Message",
        "Note",
        "Notes",
        "Nunavut",
        "Ontario",
        "Page",
        "Pages",
        "Portrait",
        "Province",
        "Saskatchewan",
        "Sections",
        "Sessions",
    ),
    *("Signature", "Total", "Version", "Yukon", "declaration", "journal"),
}
PLACEHOLDERS_ALONE = re.compile(r"(?:%\(\w+\)s|PDF|[\s–,.():;]|%%)+")


@pytest.mark.parametrize("phrase", OUT_IN_ENGLISH)
def test_no_english_text_has(phrase: str) -> None:
    assert [text for text in ENGLISH if re.search(phrase, text)] == []


@pytest.mark.parametrize("phrase", OUT_IN_FRENCH)
def test_no_french_text_has(phrase: str) -> None:
    assert [text for text in FRENCH if re.search(phrase, text)] == []


def test_a_text_is_alike_in_both_languages_only_where_its_words_are() -> None:
    alike = {english for english, french in texts() if english == french and not PLACEHOLDERS_ALONE.fullmatch(english)}
    assert alike == ALIKE


class Skeleton(HTMLParser):
    """The elements of a page with what scripts and styles know them by, without texts. The order of lists of places depends on their names."""

    LISTS = frozenset({"option", "optgroup"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.LISTS:
            known = dict(attrs)
            self.elements.append((tag, *(known.get(name) or "" for name in ("id", "class", "name", "type", "role"))))


def staff_pages(app: Flask) -> list[str]:
    """All pages of staff whose address takes no argument."""
    files = (".csv", ".xlsx", ".pdf", ".json", ".pem")
    rules = {str(rule) for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments}
    return sorted(path for path in rules if path.startswith("/staff") and not path.endswith(files))


def test_each_page_has_the_same_structure_in_both_languages(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    issue_receipt(donation)
    pending, expired = start_donation(campaign, 50_00), start_donation(campaign, 60_00)
    end(expired, "expired")
    db.session.commit()
    public = [
        *("/LANG/" + path for path in (SLUG, f"{SLUG}?amount=50", f"{SLUG}/privacy", "my-gifts", "monthly")),
        *(f"/LANG/donations/{one.token}" for one in (donation, pending, expired)),
        f"/embed/{SLUG}?lang=LANG",
    ]
    of_staff = [f"{path}?lang=LANG" for path in (*staff_pages(app), f"/staff/donations/{donation.public_id}")]
    different = []
    for client, pages in ((app.test_client(), public), (signed_in(app, "admin"), of_staff)):
        for page in pages:
            english, french = (open_page(client, page.replace("LANG", language)) for language in ("en", "fr"))
            if english.location:
                open_page(client, "/staff/")  # It may show a message, once.
            assert english.status_code == french.status_code, page
            if english.mimetype == "text/html" and Skeleton(english.text).elements != Skeleton(french.text).elements:
                different.append(page)
    assert different == []


def test_control_a_missing_paragraph_is_a_difference() -> None:
    assert Skeleton("<p>a</p><p class='x'>b</p>").elements != Skeleton("<p>a</p>").elements
    assert Skeleton("<p>a</p>").elements == Skeleton("<p>un</p>").elements
