"""Composes the e-mail of each message from the current state of the books; None when there is no longer anything to report."""

from collections.abc import Callable

from campaign.donations.donations import Donation
from campaign.donations.donors import wants_annual_receipt
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.reversals import ReversalKind
from campaign.funders import payment_receipts
from campaign.mail import access_links, contact_emails, notices, offline_reversals, tribute_cards
from campaign.mail.access_links import address_of
from campaign.mail.letters import donations, recurring
from campaign.mail.letters import receipts as receipt_emails
from campaign.mail.letters.receipts import Retained
from campaign.mail.receipt_changes import receipt_change_of
from campaign.matching.holds import match_of
from campaign.outbox import deliveries, messages, pending_messages, waiting_receipts
from campaign.outbox.deliveries import EmailContent
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments import reversals
from campaign.payments.reversals import Reversal
from campaign.payments.status import status_of
from campaign.receipts import annual, completeness, lifecycle, receipts
from campaign.receipts.receipts import Receipt, ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.recurring import instalments, recurring_gifts
from campaign.reporting import donation_history
from campaign.texts import donation_timeline


def prepare_receipts(message: OutboxMessage) -> None:
    """Bring the receipts that the e-mail will mention up to date. The caller commits before anything is composed or rendered.

    Raises ReceiptIncomplete when a receipt is due that would lack an element. News of a reversal is sent in any case, and a message of its own
    waits for the receipt.
    """
    message.missing_elements = None
    match message.kind:
        case MessageKind.RECEIPT:
            lifecycle.bring_up_to_date(_lock_donation(message), issue_context())
        case MessageKind.RECEIPT_COPY:
            annual.issue_overdue(db.session.get_one(Donation, message.donation_id), issue_context())
            lifecycle.bring_up_to_date(_lock_donation(message), issue_context())
        case MessageKind.REVERSAL:
            _bring_up_to_date_or_wait(message)
        case MessageKind.FUNDER_PAYMENT | MessageKind.FUNDER_PAYMENT_CORRECTED:
            payment_receipts.issue_receipt(notices.funder_payment_of(message), issue_context())


def _bring_up_to_date_or_wait(message: OutboxMessage) -> None:
    donation, context = db.session.get_one(Donation, message.donation_id), issue_context()
    try:
        with db.session.begin_nested():
            annual.issue_overdue(donation, context)
            lifecycle.bring_up_to_date(_lock_donation(message), context)
    except ReceiptIncomplete:
        waiting_receipts.enqueue(donation)
    # Whether or not its receipt can be issued: what the savepoint rolled back is reported here.
    lifecycle.report_returned([_lock_donation(message)], context)


def compose(message: OutboxMessage) -> EmailContent | None:
    """The e-mail of the message, from the current state of the books; None when there is no longer anything to report."""
    return _COMPOSERS[MessageKind(message.kind)](message)


def _lock_donation(message: OutboxMessage) -> Donation:
    """Locked, so that two e-mails about one donation are composed one after the other and a receipt goes with only one of them.

    With it are locked those on the same receipt, in their order: one that is locked first might wait for another worker that waits for it.
    """
    donation = db.session.get_one(Donation, message.donation_id)
    lifecycle.lock_sharing_donations(donation)
    return donation


def _page_url(donation: Donation) -> str:
    return services().links.donation_page(donation.language, donation.token)


def _recurring_url(donation: Donation) -> str:
    """The page of the recurring donation that the donation belongs to; empty for a single donation."""
    gift = recurring_gifts.recurring_gift_of(donation)
    return services().links.recurring_page(donation.language, gift.token) if gift else ""


def _running_url(donation: Donation) -> str:
    """The page of the recurring donation, where the donor can change it or stop; empty once it has ended."""
    gift = recurring_gifts.recurring_gift_of(donation)
    return "" if gift is None or gift.is_over else _recurring_url(donation)


def _address_url(donation: Donation) -> str:
    """The page where the donor can complete their name and address; empty when both are complete."""
    return services().links.donor_address(donation.language, donation.token) if donation.lacks_details else ""


def _declaration_url(donation: Donation) -> str:
    """The page where the donor can say whose money it is; empty when the receipt does not wait for that."""
    waits = receipts.last_receipt_of(donation.id) is None and completeness.lacks_declaration(donation)
    return _page_url(donation) if waits and not donation.lacks_details else ""


def _match_outcome(donation: Donation) -> str:
    status = donation_history.match_status(donation, status_of(donation), donation.language)
    return donation_timeline.match_outcome(status, donation.language)


def _compose_thanks_with_receipt(message: OutboxMessage) -> EmailContent | None:
    """None for a donation that was fully returned meanwhile, and for one that was thanked for, with nothing new to attach.

    A receipt that another e-mail carried already is named, and not attached again.
    """
    donation = _lock_donation(message)
    receipt = receipts.receipt_of(donation.id)
    is_annual = wants_annual_receipt(donation.donor_id) if receipt is None else receipt.content.get("received_in") is not None
    is_emailed = receipt is not None and deliveries.is_emailed(receipt.id)
    if reversals.retained_cents(donation) == 0 or (
        (is_emailed or is_annual) and pending_messages.has_thanked(donation.id, besides=message.id)
    ):
        return None
    return _compose_thanks(donation, receipt=None if is_annual else receipt, is_annual=is_annual, is_sent=is_emailed)


def _compose_acknowledgement(message: OutboxMessage) -> EmailContent | None:
    """None for a donation that was fully returned meanwhile, or thanked for with nothing to ask, and one whose receipt can be sent by now."""
    donation = _lock_donation(message)
    is_issued = receipts.last_receipt_of(donation.id) is not None
    asks_nothing = pending_messages.has_thanked(donation.id, besides=message.id) and not completeness.waits_for_donor(donation)
    if reversals.retained_cents(donation) == 0 or is_issued or asks_nothing:
        return None
    return _compose_thanks(donation, receipt=None, is_annual=False, is_sent=False)


def _compose_thanks(donation: Donation, *, receipt: Receipt | None, is_annual: bool, is_sent: bool) -> EmailContent:
    """The thanks, which state the match as it is now, in place of news of it that waits."""
    pending_messages.complete_match_news(donation.id)
    return donations.thanks(
        donation,
        page_url=_page_url(donation),
        outcome=_match_outcome(donation),
        receipt=receipt,
        recurring_url=_running_url(donation),
        address_url=_address_url(donation),
        declaration_url=_declaration_url(donation),
        is_annual=is_annual,
        is_sent=is_sent,
    )


def _compose_reversal(message: OutboxMessage) -> EmailContent | None:
    """What was returned or reinstated, and what the match and the receipt are now."""
    donation = _lock_donation(message)
    if message.offline_reversal_id is not None:
        return offline_reversals.compose(donation, message.offline_reversal_id, url=_page_url(donation), outcome=_match_outcome(donation))
    assert message.cents
    change, page_url, outcome = receipt_change_of(donation), _page_url(donation), _match_outcome(donation)
    if message.is_reinstatement:
        return receipt_emails.money_reinstated(donation, page_url=page_url, cents=message.cents, outcome=outcome, change=change)
    return receipt_emails.money_returned(
        donation,
        page_url=page_url,
        cents=message.cents,
        is_dispute=db.session.get_one(Reversal, message.reversal_id).kind == ReversalKind.DISPUTE,
        retained=Retained(cents=reversals.retained_cents(donation), returned_fee_cents=reversals.returned_fee_cents(donation)),
        outcome=outcome,
        change=change,
    )


def _compose_receipt_copy(message: OutboxMessage) -> EmailContent | None:
    """None for a receipt that was cancelled because its donation was returned, and for a new annual one: other messages have that news."""
    donation = _lock_donation(message)
    change = receipt_change_of(donation)
    receipt = receipts.receipt_of(donation.id) or change.receipt
    if receipt is not None:
        is_first = not deliveries.is_emailed(receipt.id)
        if is_first and messages.has_annual_message(receipt.id):
            return None
        return receipt_emails.receipt_copy(donation, page_url=_page_url(donation), receipt=receipt, is_first=is_first, change=change)
    if change.ended is None or not lifecycle.was_voided(change.ended):
        return None
    return receipt_emails.receipt_cancelled(donation, page_url=_page_url(donation), receipt=change.ended)


def _compose_annual_receipt(message: OutboxMessage) -> EmailContent | None:
    """None when the annual receipt has ended, or another e-mail carried it already: its replacement is sent by the message about its cause."""
    donation = _lock_donation(message)
    receipt = receipts.receipt_of(donation.id)
    if receipt is None or receipt.id != message.receipt_id or deliveries.is_emailed(receipt.id):
        return None
    return receipt_emails.annual_receipt(donation, page_url=_page_url(donation), receipt=receipt)


def _compose_match_increased(message: OutboxMessage) -> EmailContent | None:
    """The current match; None when a refund has reduced it to zero meanwhile, or the thanks state it."""
    donation = _lock_donation(message)
    db.session.refresh(message)
    if message.done_at is not None or pending_messages.awaits_thanks(donation.id):
        return None
    matched, (rematched, funds) = match_of(donation.id).matched_cents, donation_history.rematched_by(donation, donation.language)
    if not matched or not rematched:
        return None
    more = min(rematched, matched)
    return donations.match_increased(donation, page_url=_page_url(donation), matched_cents=matched, more_cents=more, fund_name=funds)


def _compose_payment_failed(message: OutboxMessage) -> EmailContent | None:
    """None when the donation was paid after all."""
    donation = _lock_donation(message)
    if donation.received_at is not None:
        return None
    url = services().links.restart_donation(donation.language, donation.campaign.slug, donation.token)
    return donations.payment_failed(donation, restart_url=url)


def _compose_instalment_failed(message: OutboxMessage) -> EmailContent | None:
    """None when the instalment was paid meanwhile, or the gift has ended: another e-mail says so, and why."""
    donation = _lock_donation(message)
    gift = recurring_gifts.recurring_gift_of(donation)
    if gift is None or gift.is_over or (message.invoice and instalments.is_instalment_paid(message.invoice)):
        return None
    return recurring.instalment_failed(donation, gift, page_url=_recurring_url(donation))


def _compose_recurring_gift_ended(message: OutboxMessage) -> EmailContent | None:
    donation = _lock_donation(message)
    gift = recurring_gifts.recurring_gift_of(donation)
    return recurring.recurring_gift_ended(donation, gift, page_url=_recurring_url(donation)) if gift else None


def _compose_recurring_gift_link(message: OutboxMessage) -> EmailContent | None:
    return access_links.compose_recurring_gift_link(_lock_donation(message), message)


def _compose_recurring_gift_changed(message: OutboxMessage) -> EmailContent | None:
    """None when the gift has ended or changed again meanwhile: another e-mail says so."""
    donation = _lock_donation(message)
    gift = recurring_gifts.recurring_gift_of(donation)
    is_old = gift is None or gift.is_over or pending_messages.is_superseded(message)
    return None if is_old or gift is None else recurring.recurring_gift_changed(donation, gift, page_url=_recurring_url(donation))


def _compose_receipt_choice_changed(message: OutboxMessage) -> EmailContent | None:
    """None when the donor has chosen again meanwhile."""
    donation = _lock_donation(message)
    if pending_messages.is_superseded(message):
        return None
    is_annual, address = wants_annual_receipt(donation.donor_id), address_of(donation)
    return donations.receipt_choice_changed(donation, is_annual=is_annual, page_url=_page_url(donation), address=address)


def _compose_links_renewed(message: OutboxMessage) -> EmailContent | None:
    donation = _lock_donation(message)
    return donations.links_renewed(donation, page_url=_page_url(donation), address=address_of(donation))


def _compose_donor_access(message: OutboxMessage) -> EmailContent | None:
    return access_links.compose_access(_lock_donation(message), message)


def _compose_email_change(message: OutboxMessage) -> EmailContent | None:
    return contact_emails.compose_confirmation(_lock_donation(message), message)


def _compose_contact_changed(message: OutboxMessage) -> EmailContent | None:
    return contact_emails.compose_news(_lock_donation(message), message)


def _compose_tribute_card(message: OutboxMessage) -> EmailContent | None:
    return tribute_cards.compose_card(_lock_donation(message), message)


_COMPOSERS: dict[MessageKind, Callable[[OutboxMessage], EmailContent | None]] = {
    **notices.COMPOSERS,
    MessageKind.RECEIPT: _compose_thanks_with_receipt,
    MessageKind.ACKNOWLEDGEMENT: _compose_acknowledgement,
    MessageKind.RECEIPT_COPY: _compose_receipt_copy,
    MessageKind.ANNUAL_RECEIPT: _compose_annual_receipt,
    MessageKind.REVERSAL: _compose_reversal,
    MessageKind.MATCH_INCREASED: _compose_match_increased,
    MessageKind.PAYMENT_FAILED: _compose_payment_failed,
    MessageKind.INSTALMENT_FAILED: _compose_instalment_failed,
    MessageKind.RECURRING_GIFT_ENDED: _compose_recurring_gift_ended,
    MessageKind.RECURRING_GIFT_LINK: _compose_recurring_gift_link,
    MessageKind.RECURRING_GIFT_CHANGED: _compose_recurring_gift_changed,
    MessageKind.RECEIPT_CHOICE_CHANGED: _compose_receipt_choice_changed,
    MessageKind.LINKS_RENEWED: _compose_links_renewed,
    MessageKind.DONOR_ACCESS: _compose_donor_access,
    MessageKind.TRIBUTE_CARD: _compose_tribute_card,
    MessageKind.EMAIL_CHANGE: _compose_email_change,
    MessageKind.EMAIL_CHANGED: _compose_contact_changed,
    MessageKind.ADDRESS_CHANGED: _compose_contact_changed,
}
