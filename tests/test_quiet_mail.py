"""One e-mail instead of two: news that another message has by the time it is sent, or would change within minutes, has no e-mail of its own."""

from typing import Any

import pytest
from sqlalchemy import func, select

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import compose, deliver_jobs, send_jobs
from campaign.matching.funds import Fund
from campaign.outbox import messages
from campaign.outbox.message_kinds import DETAILS_QUIET_SECONDS, QUIET_SECONDS, MessageKind
from campaign.outbox.messages import NewMessage, OutboxMessage, enqueue
from campaign.payments.offline_gifts import RECEIPT_DELAY_SECONDS
from campaign.receipts import receipt_actions
from campaign.receipts.receipts import Receipt
from campaign.rules.offline_gifts import OfflineReversalKind
from tests.conftest import Post
from tests.factories import another_campaign, create_refund, paid, raise_pledge
from tests.mail import attached, make_due, text_of
from tests.offline_gifts import cheque, reversed_gift

LACKING: dict[str, Any] = {"address_line1": "", "city": "", "province": "", "postal_code": ""}
DETAILS = {"address_line1": "1, rue Neuve", "city": "Laval", "province": "QC", "postal_code": "H7A 1A1"}


def mail_to(post: Post, donation: Donation) -> list[tuple[int, str]]:
    """How many attachments each e-mail to the donor has, and its text, the first one first."""
    found = [m for _, to, m, _ in post.box.newest(1000) if to == [donation.email]]
    return [(len(attached(m)), text_of(m)) for m in reversed(list(found))]


def wait_of(donation: Donation, kind: MessageKind) -> float:
    """How many seconds the message of this kind still waits."""
    seconds = func.extract("epoch", OutboxMessage.not_before - func.now())
    waits = select(seconds).where(OutboxMessage.donation_id == donation.id, OutboxMessage.kind == kind)
    return float(db.session.scalars(waits.order_by(OutboxMessage.id.desc()).limit(1)).one())


def send_all() -> None:
    """Send what is due once every message has waited long enough."""
    make_due()
    send_jobs.send_due()


def test_an_address_that_is_completed_on_the_page_brings_one_email_with_thanks_and_receipt(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="soon@quiet.example.org", **LACKING)
    send_jobs.send_due()
    assert mail_to(post, donation) == []
    assert wait_of(donation, MessageKind.ACKNOWLEDGEMENT) == pytest.approx(DETAILS_QUIET_SECONDS, abs=60)
    receipt_actions.complete_details(donation, DETAILS)
    send_jobs.send_due()
    send_all()
    ((attachments, body),) = mail_to(post, donation)
    assert (attachments, "Thank you for your gift of $100" in body) == (1, True)


def test_without_an_address_the_thanks_ask_for_it_a_quarter_of_an_hour_later(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="later@quiet.example.org", **LACKING)
    send_jobs.send_due()
    send_all()
    receipt_actions.complete_details(donation, DETAILS)
    send_all()
    (without, asked), (with_receipt, _) = mail_to(post, donation)
    assert (without, with_receipt) == (0, 1)
    assert f"/en/donations/{donation.token}/address" in asked


def test_a_donor_who_can_complete_nothing_is_thanked_at_once(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="at-once@quiet.example.org")
    campaign.charity.place_of_issue = ""
    db.session.commit()
    send_jobs.send_due()
    send_jobs.send_due()
    ((attachments, body),) = mail_to(post, donation)
    assert (attachments, "Your official receipt will follow by email" in body) == (0, True)


def test_a_gift_that_is_refunded_before_its_thanks_gets_the_news_of_the_refund_alone(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="refunded@quiet.example.org", **LACKING)
    send_jobs.send_due()
    create_refund(donation, 100_00)
    db.session.commit()
    send_all()
    ((_, body),) = mail_to(post, donation)
    assert "We are refunding $100" in body


@pytest.mark.parametrize("is_thanked", [True, False], ids=["thanked", "not thanked"])
def test_more_match_before_the_thanks_is_in_the_thanks(campaign: Campaign, post: Post, is_thanked: bool) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting = paid(own), paid(own, 40_00, email=f"{is_thanked}@quiet.example.org".lower())
    db.session.commit()
    if is_thanked:
        send_jobs.send_due()
    create_refund(first, 100_00)
    db.session.commit()
    send_all()
    bodies = [body for _, body in mail_to(post, waiting)]
    assert len(bodies) == (2 if is_thanked else 1)
    assert [("research receives $80" in body, "Good news" in body) for body in bodies][-1] == (True, is_thanked)


def test_more_match_for_a_cheque_waits_for_its_thanks(campaign: Campaign, post: Post) -> None:
    own = another_campaign(1_00, like=campaign)
    gift = cheque(own, 40_00, email="cheque@quiet.example.org")
    assert wait_of(gift, MessageKind.RECEIPT) == pytest.approx(RECEIPT_DELAY_SECONDS, abs=60)
    raise_pledge(db.session.query(Fund).filter_by(campaign_id=own.id).one(), 40_00)
    send_all()
    ((_, body),) = mail_to(post, gift)
    assert "research receives $80" in body


def test_thanks_that_wait_for_the_charity_keep_no_news_back(campaign: Campaign, post: Post) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting = paid(own), paid(own, 40_00, email="kept@quiet.example.org")
    campaign.charity.place_of_issue = ""
    db.session.commit()
    send_jobs.send_due()
    send_jobs.send_due()
    create_refund(first, 100_00)
    db.session.commit()
    send_all()
    assert ["Good news" in body for _, body in mail_to(post, waiting)] == [False, True]


def test_a_gift_recorded_by_mistake_and_reversed_before_its_thanks_brings_no_email(campaign: Campaign, post: Post) -> None:
    gift = cheque(campaign, 40_00, email="mistake@quiet.example.org", **LACKING)
    make_due()
    send_jobs.send_due()
    reversed_gift(gift, OfflineReversalKind.MISTAKE)
    send_all()
    assert mail_to(post, gift) == []
    assert db.session.query(Receipt).count() == 0


@pytest.mark.parametrize("kind", [MessageKind.RECEIPT_CHOICE_CHANGED, MessageKind.ADDRESS_CHANGED])
def test_what_is_changed_twice_within_minutes_brings_one_email(campaign: Campaign, post: Post, kind: MessageKind) -> None:
    donation = paid(campaign, email=f"{kind.value.replace('_', '-')}@quiet.example.org")
    db.session.commit()
    send_jobs.send_due()
    enqueue(NewMessage(kind, donation, "first"))
    enqueue(NewMessage(kind, donation, "second"))
    db.session.commit()
    assert wait_of(donation, kind) == pytest.approx(QUIET_SECONDS[kind], abs=60)
    send_all()
    assert len(mail_to(post, donation)) == 2
    enqueue(NewMessage(kind, donation, "another day"))
    db.session.commit()
    send_all()
    assert len(mail_to(post, donation)) == 3


def test_a_match_that_grows_after_the_receipt_was_sent_is_news_though_an_acknowledgement_still_waits(
    campaign: Campaign, post: Post
) -> None:
    own = another_campaign(100_00, like=campaign)
    first, waiting = paid(own), paid(own, 40_00, email="news@quiet.example.org", **LACKING)
    send_jobs.send_due()
    receipt_actions.complete_details(waiting, DETAILS)
    send_jobs.send_due()
    create_refund(first, 100_00)
    db.session.commit()
    send_all()
    assert ["Good news" in body for _, body in mail_to(post, waiting)] == [False, True]


def test_who_chooses_receipts_before_their_address_is_thanked_once(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="chooses@quiet.example.org", **LACKING)
    send_jobs.send_due()
    receipt_actions.choose_preference(donation, "annual")
    receipt_actions.choose_preference(donation, "per_donation")
    receipt_actions.complete_details(donation, DETAILS)
    send_jobs.send_due()
    send_all()
    mails = mail_to(post, donation)
    assert sum("Thank you for your gift of $100" in body for _, body in mails) == 1
    assert sum(attachments for attachments, _ in mails) == 1


def test_who_gets_one_receipt_for_the_year_is_thanked_once(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="yearly@quiet.example.org", **LACKING)
    send_jobs.send_due()
    receipt_actions.choose_preference(donation, "annual")
    receipt_actions.complete_details(donation, DETAILS)
    send_jobs.send_due()
    send_all()
    assert ["Thank you for your gift of $100" in body for _, body in mail_to(post, donation)].count(True) == 1


def test_an_email_that_waited_for_the_server_while_the_choice_changed_again_is_not_sent(campaign: Campaign, post: Post) -> None:
    donation = paid(campaign, email="deferred@quiet.example.org")
    db.session.commit()
    send_jobs.send_due()
    receipt_actions.choose_preference(donation, "annual")
    make_due()
    (lease,) = messages.lease_due(limit=1)
    db.session.commit()
    content = compose.compose(messages.message_of(lease))
    assert content
    deliver_jobs.freeze(messages.message_of(lease), content)
    messages.defer(lease, error="the server was busy")
    db.session.commit()
    receipt_actions.choose_preference(donation, "per_donation")
    send_all()
    bodies = [body for _, body in mail_to(post, donation)]
    assert ["official receipt for each gift" in body for body in bodies] == [False, True]


@pytest.mark.parametrize("lacks", ["the receipt of the year", "a detail of the charity"])
def test_thanks_that_a_server_refused_are_composed_again(campaign: Campaign, lacks: str) -> None:
    donation = paid(campaign, email=f"{len(lacks)}@quiet.example.org")
    kind = MessageKind.RECEIPT
    if lacks == "the receipt of the year":
        receipt_actions.choose_preference(donation, "annual")
    else:
        campaign.charity.place_of_issue, kind = "", MessageKind.ACKNOWLEDGEMENT
        enqueue(NewMessage(kind, donation))
    db.session.commit()
    message = db.session.query(OutboxMessage).filter_by(donation_id=donation.id, kind=kind).one()
    first = compose.compose(message)
    assert first
    deliver_jobs.freeze(message, first)
    db.session.commit()
    again = compose.compose(message)
    assert again and again.plain == first.plain
