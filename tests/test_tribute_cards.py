"""Cards about a gift in honour or in memory of somebody: printed on one page, and by email once, only while the gift counts, and erased afterwards."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from io import BytesIO
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import func, select, text
from werkzeug.test import TestResponse

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs, tribute_card_actions, tribute_card_jobs
from campaign.mail.letters.tribute_cards import Card
from campaign.outbox import tribute_cards
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.outbox.tribute_cards import MAX_CARDS, MAX_ROWS, CardState, TributeCard
from campaign.privacy import erasure, own_copy, people, retention_jobs
from campaign.rules.card_texts import has_link, last_day
from campaign.staff.audit import AuditEntry
from campaign.web.public.card_list import cards_of
from tests.conftest import Post, ScriptedSmtp
from tests.factories import confirm_charity, create_refund, paid, run_concurrently, today
from tests.mail import body_of, make_due, text_of
from tests.web import grant_access, open_page

NAME = "Ana Quibblestone"
FRIEND = "friend@reader.example"
TYPED = {
    "recipient_name": "Léa Friend",
    "recipient_email": FRIEND,
    "card_language": "en",
    "from_name": "Zoé",
    "message": "We think of you.\nAlways.",
}
HOSTILE = (
    "<script>alert(1)</script>",
    "#panic() $x^2$ [*bold*] @label",
    '"; DROP TABLE donation; --',
    "{{ 7*7 }} %(name)s %s {0}",
    "\\u{0}",
)


@pytest.fixture
def gift(app: Flask, campaign: Campaign) -> Donation:
    donation = paid(campaign, 123_45, tribute_kind="honour", tribute_name=NAME, email="owner@example.org")
    make_due()
    send_jobs.send_due()
    return donation


@pytest.fixture
def donor(app: Flask, gift: Donation) -> FlaskClient:
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    grant_access(client, gift)
    return client


def path(gift: Donation, rest: str = "cards", language: str = "en") -> str:
    return f"/{language}/donations/{gift.token}/{rest}"


def post_card(client: FlaskClient, gift: Donation, step: str = "send", language: str = "en", **changed: Any) -> TestResponse:
    fields = {**TYPED, "send_on": today().isoformat(), "step": step, **changed}
    with client.application.app_context():
        return client.post(path(gift, language=language), data=fields)


def scheduled(gift: Donation, *, on: date | None = None, **changed: str) -> TributeCard:
    """A card of the gift that is scheduled."""
    fields = {
        "language": "en",
        "recipient_name": "Léa Friend",
        "recipient_email": FRIEND,
        "from_name": "Zoé",
        "message": "Hello",
        **changed,
    }
    assert tribute_card_actions.send_later(gift, Card(**fields), send_on=on or today())
    return tribute_cards.list_cards(gift)[-1]


def send_cards() -> None:
    """Run what the schedule runs, as if it were late in the day."""
    tribute_card_jobs.enqueue_cards()
    make_due()
    send_jobs.send_due()


def emails_to_friend(post: Post) -> list[Any]:
    return [message for _, to, message, _ in post.box.newest(100) if to == [FRIEND]]


def state(card: TributeCard) -> CardState:
    db.session.refresh(card)
    return tribute_cards.state_of(card, tribute_cards.messages_of_cards([card]).get(card.id))


def text_of_pdf(data: bytes) -> str:
    pages = PdfReader(BytesIO(data)).pages
    assert len(pages) == 1
    return re.sub(r"\s+", " ", pages[0].extract_text()).replace("\u200b", "")


@pytest.mark.parametrize(
    ("language", "kind", "words"),
    [
        ("en", "honour", "A gift was made in honour of Ana Quibblestone"),
        ("en", "memory", "A gift was made in memory of Ana Quibblestone"),
        ("fr", "honour", "Un don a été fait en l’honneur de Ana Quibblestone"),
        ("fr", "memory", "Un don a été fait à la mémoire de Ana Quibblestone"),
    ],
)
def test_the_printed_card_is_one_page_and_does_not_say_how_much(
    client: FlaskClient, gift: Donation, language: str, kind: str, words: str
) -> None:
    gift.tribute_kind = kind
    db.session.commit()
    response = open_page(client, path(gift, "card.pdf", language))
    assert (response.status_code, response.mimetype, response.headers["Cache-Control"]) == (200, "application/pdf", "private, no-store")
    found = text_of_pdf(response.data)
    assert words in found
    assert gift.first_name in found
    assert gift.campaign.title(language) in found
    assert gift.campaign.charity.name(language) in found
    for secret in ("123", "$", gift.last_name, gift.token, gift.public_id):
        assert secret not in found.replace(gift.campaign.charity.registration_number, ""), secret
    assert response.data == open_page(client, path(gift, "card.pdf", language)).data, "the same card has the same bytes"


def test_the_donor_is_named_as_they_choose_and_not_at_all_if_anonymous(client: FlaskClient, gift: Donation) -> None:
    named = text_of_pdf(client.get(path(gift, "card.pdf"), query_string={"from_name": "The Roys", "message": "With love\nfrom us"}).data)
    assert "From The Roys" in named and "With love from us" in named and gift.first_name not in named
    assert "From" not in text_of_pdf(client.get(path(gift, "card.pdf"), query_string={"from_name": ""}).data)
    gift.anonymous = True
    db.session.commit()
    assert "From" not in text_of_pdf(client.get(path(gift, "card.pdf")).data)


@pytest.mark.parametrize("typed", [*HOSTILE, "A" * 80, "希望 אמונה امل ᐃᓄᒃ", "é" * 80])
def test_hostile_names_and_messages_are_printed_as_they_are_on_one_page(client: FlaskClient, gift: Donation, typed: str) -> None:
    gift.tribute_name = typed
    db.session.commit()
    message = "\n".join([typed] * 40)[:300]
    response = client.get(path(gift, "card.pdf"), query_string={"from_name": typed, "message": message})
    assert response.status_code == 200
    found = text_of_pdf(response.data).replace(" ", "")
    if typed.isascii():
        assert typed.replace(" ", "") in found


@pytest.mark.parametrize(
    "query",
    [
        {"message": "x" * 301},
        {"from_name": "x" * 81},
        {"from_name": "a\x07b"},
        {"message": "a\u202eb"},
        {"from_name": "a\nb"},
        {"from_name": "🎉"},
    ],
)
def test_what_a_card_cannot_have_is_an_error_at_its_field(client: FlaskClient, gift: Donation, query: dict[str, str]) -> None:
    response = client.get(path(gift, "card.pdf"), query_string=query)
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text


def test_bytes_that_are_no_text_are_no_error_of_ours(client: FlaskClient, gift: Donation) -> None:
    assert client.get(path(gift, "card.pdf") + "?from_name=a%00b").status_code == 400
    assert client.get(path(gift, "card.pdf") + "?from_name=%ff%fe").status_code == 200
    assert client.get("/en/donations/unknown/card.pdf").status_code == 404
    assert client.get(path(gift, "card.pdf"), query_string={"message": "🎉 Bravo 🎉"}).status_code == 200


def test_a_gift_without_a_dedication_has_no_card(app: Flask, client: FlaskClient, campaign: Campaign) -> None:
    plain = paid(campaign)
    assert client.get(path(plain, "card.pdf")).status_code == 404
    assert client.get(path(plain)).status_code == 303
    app.config["WTF_CSRF_ENABLED"] = False
    grant_access(client, plain)
    assert post_card(client, plain).status_code == 303
    assert db.session.query(TributeCard).count() == 0


def test_a_card_by_email_takes_the_mailed_link(app: Flask, client: FlaskClient, gift: Donation, campaign: Campaign) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    page = client.get(path(gift)).text
    assert 'name="recipient_email"' not in page and "Email me a link" in page
    assert (post_card(client, gift, "preview").status_code, post_card(client, gift).status_code) == (403, 403)
    card = scheduled(gift)
    assert client.post(path(gift, f"cards/{card.id}/cancellations")).status_code == 403
    assert FRIEND not in client.get(path(gift)).text and "Léa Friend" not in client.get(f"/en/donations/{gift.token}").text
    other = paid(campaign, tribute_kind="memory", tribute_name="B", email="other@example.org")
    grant_access(client, other)
    assert post_card(client, gift).status_code == 403
    assert client.post(path(other, f"cards/{card.id}/cancellations")).status_code == 404, "it is the card of another gift"
    assert db.session.query(TributeCard).count() == 1


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "A gift was made in honour of Ana Quibblestone",
                "“We think of you. Always.”",
                "From Zoé",
                "Zoé made this gift and asked us to send you this card, once.",
                "You are not on any list. We erase your name and address 30 days after sending this.",
            ),
        ),
        (
            "fr",
            (
                "Un don a été fait en l’honneur d’Ana Quibblestone",
                "«\u00a0We think of you. Always.\u00a0»",
                "De la part de\u00a0: Zoé",
                "Zoé, nous a demandé de vous envoyer cette carte, une seule fois.",
                "Vous n’êtes sur aucune liste. Nous effaçons votre nom et votre adresse 30 jours après cet envoi.",
            ),
        ),
    ],
)
def test_the_donor_sees_the_email_first_and_it_is_sent_once_as_it_was_shown(
    donor: FlaskClient, gift: Donation, post: Post, language: str, words: tuple[str, ...]
) -> None:
    shown = post_card(donor, gift, "preview", card_language=language)
    assert shown.status_code == 200
    assert db.session.query(TributeCard).count() == 0, "nothing is scheduled yet"
    assert post_card(donor, gift, card_language=language).status_code == 303
    assert post_card(donor, gift, card_language=language).status_code == 303, "a second click"
    send_cards()
    send_cards()
    (message,) = emails_to_friend(post)
    plain = body_of(message, "plain").replace("\r\n", "\n")
    for word in words:
        assert word in plain, word
        assert word in unescape(shown.text), word
    charity = gift.campaign.charity
    assert charity.email in str(message["Reply-To"])
    assert charity.privacy_officer in plain
    assert NAME not in str(message["Subject"]) and "Zoé" not in str(message["Subject"])
    assert re.findall(r"https?://\S+", plain) == [f"http://127.0.0.1:8000/{language}/{gift.campaign.slug}"], "one link, without a token"
    html = message.get_body(("html",)).get_content()
    assert "<img" not in html and gift.token not in html
    for secret in ("123", gift.last_name, gift.email, gift.token, gift.public_id):
        assert secret not in plain, secret
    actions = db.session.scalars(select(AuditEntry).where(AuditEntry.subject == gift.public_id)).all()
    assert [entry.action for entry in actions if "card" in entry.action] == ["scheduled a tribute card"]
    assert all(FRIEND not in str(entry.detail) and "Friend" not in str(entry.detail) for entry in actions)
    (card,) = tribute_cards.list_cards(gift)
    assert state(card) is CardState.SENT
    assert "it was sent" in donor.get(f"/en/donations/{gift.token}").text
    assert donor.post(path(gift, f"cards/{card.id}/cancellations")).status_code == 303
    assert state(card) is CardState.SENT, "it is too late"


def test_hostile_words_are_plain_text_in_the_preview_and_the_email(donor: FlaskClient, gift: Donation, post: Post) -> None:
    hostile = HOSTILE[0]
    page = post_card(donor, gift, "preview", recipient_name=hostile, from_name=hostile, message=hostile)
    assert page.status_code == 200 and hostile not in page.text and "&lt;script&gt;" in page.text
    assert post_card(donor, gift, recipient_name=hostile, from_name=hostile, message=hostile).status_code == 303
    send_cards()
    (message,) = emails_to_friend(post)
    html = message.get_body(("html",)).get_content()
    assert "<script" not in html and "&lt;script&gt;" in html
    assert hostile in text_of(message)


def test_a_dedication_that_reads_like_a_link_is_printed_and_not_mailed(donor: FlaskClient, gift: Donation, post: Post) -> None:
    card = scheduled(gift)
    gift.tribute_name = "win at evil.example"
    db.session.commit()
    assert open_page(donor, path(gift, "card.pdf")).status_code == 200
    assert "reads like a web address" in open_page(donor, path(gift)).text
    assert post_card(donor, gift).status_code == 303
    send_cards()
    assert emails_to_friend(post) == [] and state(card) is CardState.WITHHELD
    assert db.session.query(TributeCard).count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("recipient_email", value)
            for value in ("", "x", "a@b", "a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example", "x" * 255)
        ),
        *(("recipient_name", value) for value in ("", " ", "x" * 81, "a\r\nBcc: x", "a\x00", "a\u202e", "🎉", "see evil.example now")),
        *(("from_name", value) for value in ("x" * 81, "www.evil.example", "a\nb", "a@evil.example")),
        *(
            ("message", value)
            for value in ("x" * 301, "go to https://evil.example", "javascript:/x", "evil.example/x", "a\x07", "a\u202eb")
        ),
        *(("send_on", value) for value in ("", "x", "2026-13-40", "0001-01-01", "9999-12-31", "today")),
        *(("card_language", value) for value in ("", "de", "EN")),
    ],
)
def test_what_is_wrong_is_an_error_at_its_field_and_nothing_is_scheduled(
    donor: FlaskClient, gift: Donation, field: str, value: str
) -> None:
    for step in ("preview", "send"):
        response = post_card(donor, gift, step, **{field: value})
        assert response.status_code == 422, step
        assert f'href="#{field}"' in response.text
        assert "We think of you." in response.text or field == "message", "what was typed is still there"
    assert db.session.query(TributeCard).count() == 0


def test_the_day_is_from_today_to_a_year_ahead_where_the_charity_is(donor: FlaskClient, gift: Donation) -> None:
    first, last = today(), last_day(today())
    for day, status in ((first - timedelta(days=1), 422), (first, 200), (last, 200), (last + timedelta(days=1), 422)):
        assert post_card(donor, gift, "preview", send_on=day.isoformat()).status_code == status, day
    assert last_day(date(2028, 2, 29)) == date(2029, 2, 28)
    with time_machine.travel(datetime(2027, 3, 2, 3, 0, tzinfo=UTC), tick=False):  # In Toronto it is still the evening of the first.
        grant_access(donor, gift)
        assert post_card(donor, gift, "preview", send_on="2027-03-01").status_code == 200


def test_an_address_that_looks_mistyped_is_questioned_once(donor: FlaskClient, gift: Donation) -> None:
    asked = post_card(donor, gift, "preview", recipient_email="lea@gmail.con")
    assert asked.status_code == 422 and "lea@gmail.com" in asked.text
    assert post_card(donor, gift, "preview", recipient_email="lea@gmail.con", email_checked="lea@gmail.con").status_code == 200


@pytest.mark.parametrize(
    ("typed", "is_link"),
    [
        ("Merci. À bientôt!", False),
        ("It is 3.50, at 9.30 a.m. today", False),
        ("3.50 and 10.5", False),
        ("Wait... yes", False),
        ("mailto:x", False),
        ("evil.example", True),
        ("x@y", True),
        ("http://x", True),
        ("ftp:/x", True),
        ("évil.québec", True),
    ],
)
def test_what_a_mail_program_makes_a_link_of_is_found(typed: str, is_link: bool) -> None:
    assert has_link(typed) is is_link


def test_a_gift_has_three_cards_also_when_they_are_asked_for_at_once(app: Flask, donor: FlaskClient, gift: Donation) -> None:
    number = gift.id

    def another(name: str) -> bool:
        donation = db.session.get_one(Donation, number)
        card = Card(language="en", recipient_name=name, recipient_email=FRIEND, from_name="", message="")
        return tribute_card_actions.send_later(donation, card, send_on=today())

    results = run_concurrently(app, [lambda name=name: another(name) for name in "ABCDEF"])  # type: ignore[misc]
    assert results.count(True) == MAX_CARDS
    assert "as many cards" in donor.get(path(gift)).text
    assert post_card(donor, gift).status_code == 303
    assert db.session.query(TributeCard).count() == MAX_CARDS


def test_cancelling_and_scheduling_again_has_an_end(gift: Donation) -> None:
    for number in range(MAX_ROWS):
        assert tribute_card_actions.cancel(scheduled(gift, recipient_name=f"N{number}"), gift)
    card = Card(language="en", recipient_name="last", recipient_email=FRIEND, from_name="", message="")
    assert not tribute_card_actions.send_later(gift, card, send_on=today())


def test_a_cancelled_card_is_not_sent_and_its_words_are_erased(donor: FlaskClient, gift: Donation, post: Post) -> None:
    card = scheduled(gift)
    tribute_card_jobs.enqueue_cards()
    assert donor.post(path(gift, f"cards/{card.id}/cancellations")).status_code == 303
    send_cards()
    assert emails_to_friend(post) == []
    assert state(card) is CardState.CANCELLED
    assert (card.recipient_email, card.recipient_name, card.from_name, card.message) == ("", "", "", "")
    assert not tribute_card_actions.cancel(card, gift)
    assert "you cancelled it" in donor.get(path(gift)).text


def test_a_card_waits_for_its_day_and_the_morning_there(gift: Donation, post: Post) -> None:
    day = today() + timedelta(days=40)
    card = scheduled(gift, on=day)
    assert tribute_card_jobs.enqueue_cards() == 0
    noon = datetime.combine(day, datetime.min.time(), UTC)
    with time_machine.travel(noon + timedelta(hours=3), tick=False):  # In Toronto it is the day before.
        assert tribute_card_jobs.enqueue_cards() == 0
    with time_machine.travel(noon + timedelta(hours=8), tick=False):
        assert tribute_card_jobs.enqueue_cards() == 1
        assert tribute_card_jobs.enqueue_cards() == 0
    message = tribute_cards.messages_of_cards([card])[card.id]
    assert gift.campaign.charity.local(message.not_before).replace(tzinfo=None) == datetime.combine(day, datetime.min.time()).replace(
        hour=9
    )
    send_jobs.send_due()
    assert emails_to_friend(post) == [], "not before the morning"
    assert state(card) is CardState.SCHEDULED
    make_due()
    send_jobs.send_due()
    assert len(emails_to_friend(post)) == 1


def test_many_workers_send_a_card_once(app: Flask, gift: Donation, post: Post) -> None:
    scheduled(gift)

    def work() -> None:
        tribute_card_jobs.enqueue_cards()

    run_concurrently(app, [work] * 4)
    make_due()
    run_concurrently(app, [send_jobs.send_due] * 4)
    assert len(emails_to_friend(post)) == 1
    assert db.session.query(OutboxMessage).filter_by(kind=MessageKind.TRIBUTE_CARD).count() == 1


@pytest.mark.parametrize("what", ["refunded", "disputed", "nothing"])
def test_a_card_is_not_sent_once_the_gift_does_not_count_and_the_donor_reads_why(
    donor: FlaskClient, gift: Donation, post: Post, what: str
) -> None:
    """`nothing` is the control: the same card of a gift that still counts is sent."""
    card = scheduled(gift)
    tribute_card_jobs.enqueue_cards()
    if what == "refunded":
        create_refund(gift, 123_45)
    elif what == "disputed":
        create_refund(gift, 123_45, kind="dispute", status="needs_response")
    db.session.commit()
    page = f"/en/donations/{gift.token}"
    if what != "nothing":
        assert "it will not be sent unless the gift counts again by then" in open_page(donor, page).text
        assert "elle ne sera pas envoyée" in open_page(donor, page.replace("/en/", "/fr/")).text
        assert not tribute_card_actions.send_later(
            gift, Card(language="en", recipient_name="B", recipient_email=FRIEND, from_name="", message=""), send_on=today()
        )
    make_due()
    send_jobs.send_due()
    assert len(emails_to_friend(post)) == (what == "nothing")
    assert state(card) is (CardState.SENT if what == "nothing" else CardState.WITHHELD)
    assert ("because your gift did not count on that day" in open_page(donor, page).text) == (what != "nothing")
    send_cards()
    assert len(emails_to_friend(post)) == (what == "nothing")


def test_a_refund_stops_a_card_that_the_mail_server_has_deferred(gift: Donation, scripted_smtp: ScriptedSmtp) -> None:
    card = scheduled(gift)
    tribute_card_jobs.enqueue_cards()
    make_due()
    scripted_smtp.response = "450 Later"
    send_jobs.send_due()
    assert state(card) is CardState.SENDING
    assert not tribute_card_actions.cancel(card, gift), "it is on its way"
    create_refund(gift, 123_45)
    db.session.commit()
    scripted_smtp.response = "250 OK"
    before = len(scripted_smtp.received)
    make_due()
    send_jobs.send_due()
    assert not any(b"Quibblestone" in one for one in scripted_smtp.received[before:])
    assert any(b"Quibblestone" in one for one in scripted_smtp.received), "the control: it was tried before"
    assert state(card) is CardState.WITHHELD


def age_messages(days: int) -> None:
    db.session.execute(text(f"UPDATE outbox SET done_at = now() - interval '{days} days' WHERE tribute_card_id IS NOT NULL"))
    db.session.commit()


def texts_left(card: TributeCard) -> bool:
    db.session.expire_all()
    emails = select(func.count()).select_from(FrozenEmail).where(FrozenEmail.recipient == FRIEND)
    return bool(card.recipient_email or card.recipient_name or card.message or card.from_name or db.session.scalar(emails))


def test_who_got_a_card_is_erased_a_month_after_and_not_before(donor: FlaskClient, gift: Donation) -> None:
    card = scheduled(gift)
    later = scheduled(gift, on=today() + timedelta(days=200), recipient_name="Later")
    send_cards()
    age_messages(29)
    retention_jobs.erase_now()
    assert texts_left(card)
    age_messages(31)
    retention_jobs.erase_now()
    assert not texts_left(card)
    assert later.recipient_name == "Later", "one that is not sent yet stays"
    assert state(card) is CardState.SENT
    assert "it was sent" in donor.get(path(gift)).text
    assert cards_of(gift, "en")[0]["to"] == ""


def test_cards_are_in_the_donors_own_data_and_go_with_them(app: Flask, gift: Donation) -> None:
    confirm_charity()
    make_due()
    send_jobs.send_due()
    sent, waiting = scheduled(gift), scheduled(gift, on=today() + timedelta(days=9), recipient_name="Waiting")
    send_cards()
    copy = "".join(own_copy.pieces(gift.donor_id))
    assert FRIEND in copy and "Waiting" in copy and '"tribute_card"' in copy
    assert people.find_people(FRIEND) == [], "who got a card is not the donor"
    erased = erasure.erase(gift.donor_id)
    db.session.commit()
    assert erased.is_possible, erased.prevented
    db.session.expire_all()
    assert not texts_left(sent) and not waiting.recipient_name and waiting.cancelled_at
    assert state(sent) is CardState.SENT and state(waiting) is CardState.CANCELLED
    with time_machine.travel(datetime.now(UTC) + timedelta(days=20)):
        assert tribute_card_jobs.enqueue_cards() == 0
