"""What emails say: subjects that name the receipt and nobody, card statements for cards alone, and HTML with widths that Outlook keeps."""

import re
from datetime import UTC, date, datetime
from html import unescape
from html.parser import HTMLParser

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders import payments
from campaign.funders.funders import Funder
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.receipts import annual_jobs, receipt_actions, receipts
from campaign.receipts.void_requests import VoidRequest
from tests.conftest import Post
from tests.factories import create_managers, create_refund, paid, pay, pay_with_annual_receipt, start_donation
from tests.mail import attached, body_of, last_email, text_of

PERSONAL = {"first_name": "Personne", "last_name": "Àtaire", "email": "personne@example.net"}


def send(post: Post, donation: Donation) -> tuple[str, list[str | None]]:
    """The subject of the last email, without its campaign, and its attachments."""
    db.session.commit()
    send_jobs.send_due()
    message = last_email(post, donation)
    subject = str(message["Subject"])
    assert [word for word in ("Personne", "Àtaire", "personne") if word in subject] == []
    assert subject.endswith((" – Vision Sanâa and Richard", " – Vision Sanâa et Richard"))
    return re.sub(r"^\[(?:TEST|ESSAI)\] ", "", subject).rpartition(" – ")[0], attached(message)


@pytest.mark.parametrize(
    ("language", "file", "first", "part", "new", "void", "whole"),
    [
        (
            *("en", "receipt-{}.pdf", "Your official donation receipt {}"),
            *("Your gift was returned in part: your receipt is {}", "Your new official donation receipt {}"),
            *("Official donation receipt {} is cancelled", "Your gift was returned: receipt {} is cancelled"),
        ),
        (
            *("fr", "recu-{}.pdf", "Votre reçu officiel de don {}"),
            *("Votre don a été retourné en partie\u00a0: votre reçu est le {}", "Votre nouveau reçu officiel de don {}"),
            *("Le reçu officiel de don {} est annulé", "Votre don a été retourné\u00a0: le reçu {} est annulé"),
        ),
    ],
)
def test_a_subject_names_the_receipt_that_is_attached_or_cancelled_and_nobody(
    app: Flask, campaign: Campaign, post: Post, language: str, file: str, first: str, part: str, new: str, void: str, whole: str
) -> None:
    year = campaign.charity.local(datetime.now(UTC)).year
    one, two, three, four = (f"{year}-{number:06d}" for number in range(1, 5))
    donation = paid(campaign, 100_00, language=language, **PERSONAL)
    assert send(post, donation) == (first.format(one), [file.format(one)])
    receipt_actions.request_copy(donation)
    assert send(post, donation) == (first.format(one), [file.format(one)])
    create_refund(donation, 30_00)
    assert send(post, donation) == (part.format(two), [file.format(two)])
    receipt_actions.correct_details(donation, {"last_name": "Ataire"}, actor="clerk@example.org", reason="misspelt", is_same_donor=True)
    assert send(post, donation) == (new.format(three), [file.format(three)])
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    receipt_actions.request_void(receipt, actor="one@example.org", reason="not a gift")
    create_managers("two@example.org")
    receipt_actions.decide_void(db.session.query(VoidRequest).one(), agrees=True, actor="two@example.org")
    assert send(post, donation) == (void.format(three), [])
    other = paid(campaign, 100_00, language=language, **PERSONAL)
    assert send(post, other) == (first.format(four), [file.format(four)])
    create_refund(other, 100_00)
    assert send(post, other) == (whole.format(four), [])


@pytest.mark.parametrize(("language", "words"), [("en", "receipt {} for 2025"), ("fr", "reçu officiel de don {} pour 2025")])
def test_the_subject_of_an_annual_receipt_names_it_and_its_year(
    app: Flask, campaign: Campaign, post: Post, language: str, words: str
) -> None:
    (donation,) = pay_with_annual_receipt(campaign, datetime(2025, 3, 1, 15, tzinfo=UTC), language=language, **PERSONAL)
    assert send(post, donation)[1] == []
    annual_jobs.issue_for(campaign.charity, 2025)
    subject, files = send(post, donation)
    receipt = receipts.receipt_of(donation.id)
    assert receipt
    assert words.format(receipt.serial) in subject
    assert files == [receipt.file_name]


def test_a_card_statement_is_spoken_of_for_cards_alone(app: Flask, campaign: Campaign, post: Post) -> None:
    card, debit = paid(campaign, language="fr"), start_donation(campaign, language="fr", email="debit@example.org")
    pay(debit, is_debit=True)
    db.session.commit()
    send_jobs.send_due()
    texts = [text_of(last_email(post, donation)) for donation in (card, debit)]
    assert ["le paiement figurera sous le nom Fondation" in text for text in texts] == [True, False]
    assert ["relevé" in text for text in texts] == [True, False]
    assert ["répondez à ce courriel" in text for text in texts] == [True, True]


class Tables(HTMLParser):
    """The attributes of tables, and the elements outside of all cells that have text."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[dict[str, str | None]] = []
        self.depth = 0
        self.loose: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append(dict(attrs))
        self.depth += tag == "td"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "td"

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.depth and "{" not in data and self.tables:
            self.loose.append(data)


def test_outlook_gets_a_width_that_it_keeps_and_others_a_sheet_that_shrinks(app: Flask, campaign: Campaign, post: Post) -> None:
    donation = paid(campaign)
    send_jobs.send_due()
    html = body_of(last_email(post, donation), "html")
    for_outlook = re.findall(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", html, re.DOTALL)
    assert any('<table role="presentation" width="560">' in part for part in for_outlook)
    assert sum(part.count("<table") for part in for_outlook) == sum(part.count("</table>") for part in for_outlook) == 1
    tables = Tables()
    tables.feed(re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL))
    widths = {(table["role"], table.get("width"), "style" in table) for table in tables.tables}
    assert widths == {("presentation", "100%", False), ("presentation", "100%", True), ("presentation", None, False)}
    assert html.count('<table role="presentation"><tr><td class="button" bgcolor="') == 1, "a button is as wide as its words"
    assert tables.loose == []
    assert '<td class="match">' in html


def words_of(html: str) -> list[str]:
    """The words that a reader of the HTML part reads, in their order; a link in words is read as its address.

    The name at the head is that of the sender, which the text does not repeat.
    """
    shown = re.sub(r'<head>.*?</head>|<!--.*?-->|<td class="name".*?</td>', " ", html, flags=re.DOTALL)
    shown = re.sub(r'<a href="(.*?)">.*?</a>', r" \1 ", shown)
    return unescape(re.sub(r"<[^>]+>", " ", shown)).split()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_both_parts_of_an_email_say_the_same_and_nothing_before_it_is_hidden(
    app: Flask, campaign: Campaign, fund: Fund, post: Post, language: str
) -> None:
    paid(campaign, language=language, organization="Cycle <Ltd.>", tribute_kind="memory", tribute_name="Œnone & Co")
    db.session.query(Funder).update({"language": language, "email": "fonds@example.org", "is_registered_charity": True})
    payments.record_payment(fund, 10_00, received_on=date(2026, 1, 5), reference="18", livemode=False, actor="x")
    db.session.commit()
    send_jobs.send_due()
    emails = [message for _, _, message, _ in post.box.newest(2)]
    assert len(emails) == 2
    for message in emails:
        assert words_of(body_of(message, "html")) == body_of(message, "plain").split()
        assert str(message["Subject"]).startswith({"en": "[TEST] ", "fr": "[ESSAI] "}[language])


@pytest.mark.parametrize(
    ("language", "part", "corrected", "lost"),
    [
        (
            "en",
            (
                "We are refunding $51.65 of your gift",
                "Of the $103.30 that you paid we now keep $51.65. The processing fee that you covered is returned in the same proportion: $1.65",
                "no. {0}, which showed $103.30, is cancelled and replaced by no. {1}, which is attached: it shows $51.65, in the name of Personne Àtaire",
                "because money was returned to you",
            ),
            (
                "no. {1}, which showed $51.65 and the name “Personne Àtaire”, is cancelled and replaced by no. {2}",
                "it shows $51.65 and the name “Personne Roy Jr.”. Please",
                "because the name was corrected",
            ),
            ("no. {2}, which showed $51.65, is cancelled and replaced by no. {3}", "because it was reported to us as lost"),
        ),
        (
            "fr",
            (
                "Nous vous remboursons 51,65 $ de votre don",
                "Des 103,30 $ que vous aviez payés, nous conservons maintenant 51,65 $.",
                "nº {0}, qui indiquait 103,30 $, est annulé et remplacé par le nº {1}, joint à ce courriel, qui indique 51,65 $. Le nom (Personne Àtaire) n’a pas changé.",
                "parce que de l’argent vous a été retourné",
            ),
            (
                "nº {1}, qui indiquait 51,65 $ et le nom « Personne Àtaire », est annulé et remplacé par le nº {2}",
                "qui indique 51,65 $ et le nom « Personne Roy Jr. ». N’utilisez",
                "parce que le nom a été corrigé",
            ),
            ("nº {2}, qui indiquait 51,65 $, est annulé et remplacé par le nº {3}", "parce qu’il nous a été signalé comme perdu"),
        ),
    ],
)
def test_an_email_about_a_replaced_receipt_says_what_both_show_and_why(
    app: Flask, campaign: Campaign, post: Post, language: str, part: tuple[str, ...], corrected: tuple[str, ...], lost: tuple[str, ...]
) -> None:
    year = campaign.charity.local(datetime.now(UTC)).year
    serials = [f"{year}-{number:06d}" for number in range(1, 5)]
    donation = paid(campaign, 100_00, covered_fee_cents=3_30, language=language, **PERSONAL)
    send_jobs.send_due()

    def newest() -> str:
        db.session.commit()
        send_jobs.send_due()
        return " ".join(text_of(last_email(post, donation)).replace("\u00a0", " ").split())

    create_refund(donation, 51_65)
    assert [words for words in part if words.format(*serials) not in newest()] == []
    receipt_actions.correct_details(donation, {"last_name": "Roy Jr."}, actor="clerk@example.org", reason="married", is_same_donor=True)
    assert [words for words in corrected if words.format(*serials) not in newest()] == []
    receipt_actions.replace_lost(donation, actor="clerk@example.org", reason="the dog ate it")
    assert [words for words in lost if words.format(*serials) not in newest()] == []
    assert ".." not in newest(), "a name that ends with a period ends no sentence"


@pytest.mark.parametrize(
    ("fee_cents", "words"),
    [
        (0, "all of the $100 that you paid: no fee is deducted"),
        (3_30, "all of the $103.30 that you paid, including the processing fee of $3.30"),
    ],
)
def test_an_email_about_a_full_refund_says_that_no_fee_was_kept(
    app: Flask, campaign: Campaign, post: Post, fee_cents: int, words: str
) -> None:
    donation = paid(campaign, 100_00, covered_fee_cents=fee_cents)
    create_refund(donation, donation.charged_cents)
    db.session.commit()
    send_jobs.send_due()
    assert words in " ".join(text_of(last_email(post, donation)).split())
