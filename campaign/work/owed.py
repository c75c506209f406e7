"""What is owed to the outside, done: receipts, thanks, news of the match and of payments that failed, by mail.

Each item is a door: it begins and commits its own transactions; mail and the PDF renderer are called only between them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import OperationalError

from campaign.config import ROOT
from campaign.edges import mail, pdf
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import claims, letters, matches, monthly, outbox, receipts, stripe_events
from campaign.giving.claims import Claim
from campaign.giving.donations import Donation
from campaign.giving.letters import Envelope
from campaign.giving.outbox import OutboxItem, Owed
from campaign.giving.receipts import CannotIssue, Receipt
from campaign.giving.standing import standing
from campaign.reporting import lives
from campaign.rules import match_of_a_gift

log = structlog.get_logger()

RECEIPT_TEMPLATE = ROOT / "templates" / "receipts" / "receipt.typ"
LACKING_ASKED_AGAIN_SECONDS = 6 * 3600


def send_owed() -> int:
    """Do what is owed to the outside and due; returns how many items were done. Money comes first: it stops while events wait."""
    done = 0
    while not stripe_events.is_behind():
        taken = outbox.claim(limit=1)  # One lease is for one mail, however slow the server is.
        db.session.commit()
        if not taken:
            break
        for claim in taken:
            done += _do_item(claim)
    db.session.commit()
    return done


def _do_item(claim: Claim) -> bool:
    item = outbox.claimed(claim)
    key, act = item.key, _ACTS[item.kind]
    try:
        act(item, claim)
        db.session.commit()
        return True
    except mail.MailDelayed as error:
        _item_delayed(claim, key, error)
    except OperationalError as error:
        _item_failed(claim, key, error, for_good=False)
    except mail.MailRefused as error:
        _item_failed(claim, key, error, for_good=True)
    except Exception as error:
        log.exception("outbox.failed", key=key)
        _item_failed(claim, key, error, for_good=False)
    return False


def _item_delayed(claim: Claim, key: str, error: Exception) -> None:
    """The other side is away: nobody's fault, and for as long as three days no reason to give up."""
    db.session.rollback()
    is_dead = outbox.delay(claim, error=f"{type(error).__name__}: {error}"[:500])
    db.session.commit()
    (log.error if is_dead else log.warning)("outbox.dead" if is_dead else "outbox.later", key=key, error=type(error).__name__)


def _item_failed(claim: Claim, key: str, error: Exception, *, for_good: bool) -> None:
    db.session.rollback()
    is_dead = claims.fail(OutboxItem, claim, error=f"{type(error).__name__}: {error}"[:500], for_good=for_good)
    db.session.commit()
    (log.error if is_dead else log.warning)("outbox.dead" if is_dead else "outbox.later", key=key, error=type(error).__name__)


def _send_receipt(item: OutboxItem, claim: Claim) -> None:
    """Number and freeze; then, with nothing locked, render; then hand over. A gift that was returned before gets none."""
    donation = db.session.get_one(Donation, item.donation_id, populate_existing=True)
    if donation.net_cents == 0 and receipts.receipt_of(donation.id) is None:
        claims.finish(OutboxItem, claim)
        return
    try:
        receipt = receipts.issue(donation, now=datetime.now(UTC))
    except CannotIssue as lacking:
        db.session.rollback()
        outbox.owe(Owed("acknowledgement", donation))
        claims.postpone(OutboxItem, claim, seconds=LACKING_ASKED_AGAIN_SECONDS, reason=str(lacking))
        return
    message_id = outbox.message_id_of(item, _mail_domain())
    db.session.commit()
    document = receipt_document(receipt, donation)
    _hand_over(donation, message_id=message_id, at=receipt.issued_at, receipt=receipt, document=document)
    claims.finish(OutboxItem, claim)


def _send_acknowledgement(item: OutboxItem, claim: Claim) -> None:
    donation = db.session.get_one(Donation, item.donation_id)
    message_id = outbox.message_id_of(item, _mail_domain())
    created_at = item.created_at
    db.session.commit()
    _hand_over(donation, message_id=message_id, at=created_at, receipt=None, document=None)
    claims.finish(OutboxItem, claim)


def _hand_over(donation: Donation, *, message_id: str, at: datetime, receipt: Receipt | None, document: bytes | None) -> None:
    settings = outside().settings
    now = standing(donation)
    letter = letters.thanks(
        donation,
        envelope=Envelope(message_id=message_id, at=at, sender=settings.mail_from, page_url=page_url(donation)),
        outcome=match_of_a_gift.outcome(lives.match_now(donation, now, donation.language), donation.language),
        receipt=receipt,
        pdf=document,
        monthly_url=monthly_url(donation),
    )
    db.session.commit()
    mail.send(settings.mail_url, letter)


def _send_word_of_healing(item: OutboxItem, claim: Claim) -> None:
    """The donor is told what the match has come to by now; nothing when a refund has taken it away meanwhile."""
    donation = db.session.get_one(Donation, item.donation_id)
    settings, message_id, created_at = outside().settings, outbox.message_id_of(item, _mail_domain()), item.created_at
    matched, (healed, funds) = matches.match_of(donation.id).matched_cents, lives.healed_by(donation, donation.language)
    if matched and healed:
        letter = letters.match_healed(
            donation,
            envelope=Envelope(message_id=message_id, at=created_at, sender=settings.mail_from, page_url=page_url(donation)),
            matched_cents=matched,
            more_cents=min(healed, matched),
            fund_name=funds,
        )
        db.session.commit()
        mail.send(settings.mail_url, letter)
    claims.finish(OutboxItem, claim)


def _send_word_of_failure(item: OutboxItem, claim: Claim) -> None:
    """The donor is told that the bank said no; nothing when the gift was paid after all."""
    donation = db.session.get_one(Donation, item.donation_id)
    settings, message_id, created_at = outside().settings, outbox.message_id_of(item, _mail_domain()), item.created_at
    if donation.paid_at is None:
        letter = letters.payment_failed(
            donation,
            envelope=Envelope(message_id=message_id, at=created_at, sender=settings.mail_from, page_url=page_url(donation)),
            again_url=f"{settings.base_url}/{donation.language}/{donation.campaign.slug}?again={donation.token}#give",
        )
        db.session.commit()
        mail.send(settings.mail_url, letter)
    claims.finish(OutboxItem, claim)


def _send_word_of_months(item: OutboxItem, claim: Claim) -> None:
    """About a monthly gift: a month that could not be charged, unless it was by now; its end; the link to its page."""
    donation = db.session.get_one(Donation, item.donation_id)
    gift = monthly.monthly_gift_of(donation)
    if gift is None or (item.kind == "monthly_failed" and monthly.is_paid(item.key.partition(":")[2])):
        claims.finish(OutboxItem, claim)
        return
    envelope = Envelope(
        message_id=outbox.message_id_of(item, _mail_domain()),
        at=item.created_at,
        sender=outside().settings.mail_from,
        page_url=monthly_url(donation),
    )
    match item.kind:
        case "monthly_failed":
            letter = letters.month_failed(donation, gift, envelope=envelope)
        case "monthly_stopped":
            letter = letters.monthly_stopped(donation, gift, envelope=envelope)
        case _:
            letter = letters.monthly_link(donation, envelope=envelope)
    db.session.commit()
    mail.send(outside().settings.mail_url, letter)
    claims.finish(OutboxItem, claim)


_ACTS: dict[str, Callable[[OutboxItem, Claim], None]] = {
    "receipt": _send_receipt,
    "acknowledgement": _send_acknowledgement,
    "healed": _send_word_of_healing,
    "payment_failed": _send_word_of_failure,
    "monthly_failed": _send_word_of_months,
    "monthly_stopped": _send_word_of_months,
    "monthly_link": _send_word_of_months,
}


def receipt_document(receipt: Receipt, donation: Donation) -> bytes:
    """The receipt's PDF, rendered if it never was. Nothing is locked while it renders."""
    kept = receipts.document_of(receipt)
    if kept is not None:
        return kept
    data, at = receipts.printed(receipt, is_test=not donation.livemode), receipt.issued_at
    db.session.commit()
    rendered = pdf.render(RECEIPT_TEMPLATE, data, at=at)
    kept = receipts.keep_document(receipt, rendered)
    db.session.commit()
    return kept


def page_url(donation: Donation) -> str:
    """The donor's own page, as links from outside name it."""
    return f"{outside().settings.base_url}/{donation.language}/donations/{donation.token}"


def monthly_url(donation: Donation) -> str:
    """The page of the monthly gift that the donation is a month of; empty for one that is given once."""
    gift = monthly.monthly_gift_of(donation)
    return f"{outside().settings.base_url}/{donation.language}/monthly/{gift.token}" if gift else ""


def _mail_domain() -> str:
    return outside().settings.mail_from.rpartition("@")[2].strip(" >") or urlsplit(outside().settings.base_url).hostname or "localhost"
