"""Composes the e-mails to funders and staff, and to donors before their gift; those about a gift are in compose.py."""

from collections.abc import Callable

from campaign.campaigns.campaigns import Campaign, current_campaign
from campaign.campaigns.seals import SealRequest
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import access_links, payment_receipts, payment_requests, payments, report_recipients
from campaign.funders.funders import Funder
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment
from campaign.funders.report_recipients import ReportRecipient, Sending
from campaign.mail import call_notices
from campaign.mail.letters import card_testing, funder_reports, funders, seals, staff, staff_access
from campaign.matching.funds import Fund
from campaign.matching.pledge_requests import PledgeRequest
from campaign.outbox import checkout_codes, deliveries
from campaign.outbox.checkout_codes import CheckoutCode
from campaign.outbox.deliveries import EmailContent
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments.card_testing import CardTestingGuard
from campaign.receipts import lifecycle
from campaign.receipts.receipts import Receipt
from campaign.reporting import funder_report_files, published_heads, staff_todo, statement_actions
from campaign.reporting.funder_reports import FunderReport
from campaign.staff.factor_changes import FactorChange
from campaign.staff.members import Staff
from campaign.staff.password_links import one_time_link


def _funder_payment_received(message: OutboxMessage) -> EmailContent | None:
    """Thanks, with the receipt when one was issued, or that a receipt was voided.

    None when the funder has no e-mail address, the payment was reversed or returned meanwhile, or an e-mail carried the receipt already.
    """
    payment = funder_payment_of(message)
    receipt, funder = payment_receipts.receipt_of(payment), payments.funder_of(payment)
    if payments.retained_cents(payment) == 0:
        return None
    if _has_no_news(payment, receipt) or (receipt is not None and deliveries.is_emailed(receipt.id)):
        return None
    if receipt is None and (payment_receipts.was_voided(payment) or _voided_receipt_of(payment)):
        return _receipt_voided(payment, funder)
    head, replaced = _head_of(payment), _replaced_by(receipt)
    return funders.money_received(payment, funder, payments.campaign_of(payment), receipt=receipt, replaced=replaced, head=head)


def _replaced_by(receipt: Receipt | None) -> Receipt | None:
    """The receipt that this one cancels and replaces, or the last one before that the funder has; None if it replaces none."""
    replaces_id, replaced = receipt.replaces_id if receipt is not None else None, None
    while replaces_id is not None and (replaced is None or not deliveries.is_emailed(replaced.id)):
        replaced = db.session.get_one(Receipt, replaces_id)
        replaces_id = replaced.replaces_id
    return replaced


def _voided_receipt_of(payment: FunderPayment) -> Receipt | None:
    """The last receipt of the payment, if it was voided."""
    last = payment_receipts.last_receipt_of(payment)
    return last if last is not None and lifecycle.was_voided(last) else None


def _receipt_voided(payment: FunderPayment, funder: Funder) -> EmailContent | None:
    """None for a receipt that the funder never had."""
    ended = _voided_receipt_of(payment)
    if ended is None or not deliveries.is_emailed(ended.id):
        return None
    return funders.receipt_voided(payment, funder, payments.campaign_of(payment), ended=ended, head=_head_of(payment))


def _has_no_news(payment: FunderPayment, receipt: Receipt | None) -> bool:
    is_waiting = receipt is None and payment_receipts.is_due(payment)
    return not payments.funder_of(payment).email or is_waiting or payments.reversal_of(payment) is not None


def _head_of(payment: FunderPayment) -> str:
    return published_heads.end_of(payments.fund_of(payment))


def _funder_payment_corrected(message: OutboxMessage) -> EmailContent | None:
    """What is right, with its receipt; None as for a payment that was received."""
    payment = funder_payment_of(message)
    receipt, earlier = payment_receipts.receipt_of(payment), db.session.get_one(FunderPayment, payment.replaces_id)
    if _has_no_news(payment, receipt):
        return None
    return funders.payment_corrected(
        payment,
        earlier,
        payments.funder_of(payment),
        payments.campaign_of(payment),
        receipt=receipt,
        ended=payment_receipts.last_receipt_of(earlier),
        head=_head_of(payment),
    )


def _funder_payment_reversed(message: OutboxMessage) -> EmailContent | None:
    """That the payment no longer counts, nor its receipt; None when the funder has no e-mail address."""
    payment = funder_payment_of(message)
    funder, reversal = payments.funder_of(payment), payments.reversal_of(payment)
    if not funder.email or reversal is None:
        return None
    return funders.payment_reversed(
        payment,
        funder,
        payments.campaign_of(payment),
        returned_on=db.session.get_one(FunderPaymentRequest, reversal.request_id).returned_on,
        ended=payment_receipts.last_receipt_of(payment),
        head=_head_of(payment),
    )


def _funder_payment_returned(message: OutboxMessage) -> EmailContent | None:
    """That money of the payment went back, or did not although we said so, with the receipt unless an e-mail carried it already.

    None when the funder has no e-mail address.
    """
    payment, request = funder_payment_of(message), db.session.get_one(FunderPaymentRequest, message.funder_payment_request_id)
    undone = payment_requests.undone_return_of(request)
    funder, details, receipt = (
        payments.funder_of(payment),
        undone.details if undone else request.returned,
        payment_receipts.receipt_of(payment),
    )
    if not funder.email or details is None:
        return None
    is_news = receipt is None or not deliveries.is_emailed(receipt.id)
    ended = _replaced_by(receipt) if receipt is not None else payment_receipts.last_receipt_of(payment)
    return funders.payment_returned(
        payment,
        details,
        funder,
        payments.campaign_of(payment),
        is_undone=undone is not None,
        retained_cents=payments.retained_cents(payment),
        receipt=receipt if is_news else None,
        ended=ended if is_news else None,
        head=_head_of(payment),
    )


def funder_payment_of(message: OutboxMessage) -> FunderPayment:
    """The payment of a funder that the message is about."""
    return db.session.get_one(FunderPayment, message.funder_payment_id)


def _pledge_matched(message: OutboxMessage) -> EmailContent | None:
    """None when a refund has released part of the pledge meanwhile, or the funder has no e-mail address."""
    fund = db.session.get_one(Fund, message.fund_id, populate_existing=True)
    funder, campaign = db.session.get_one(Funder, fund.funder_id), db.session.get_one(Campaign, fund.campaign_id)
    if fund.matched_cents < fund.pledged_cents or not funder.email:
        return None
    is_test, head = services().settings.is_sandbox, published_heads.end_of(fund)
    return funders.pledge_is_matched(fund, funder, campaign, is_test=is_test, head=head)


def _compose_funder_report(message: OutboxMessage) -> EmailContent | None:
    """None when the recipient has paused or stopped reports meanwhile, or there were no shares yet. Commits. Raises MailDeferred while the period is not over."""
    report = db.session.get_one(FunderReport, message.funder_report_id)
    recipient = db.session.get_one(ReportRecipient, report.recipient_id)
    if report_recipients.choice_of(recipient).sending != Sending.ACTIVE:
        return None
    fund, links = db.session.get_one(Fund, report.fund_id), services().links
    end, contributor = funder_report_files.end_of(report), funder_report_files.contributor_of(report)
    statement = statement_actions.take_statement(fund, period=end.period)
    if contributor and not statement.shares:
        return None
    link = access_links.create_link(fund, contributor=contributor, actor=access_links.SERVICE)
    news = funder_reports.ReportNews(
        report=report,
        recipient=recipient,
        funder=db.session.get_one(Funder, recipient.funder_id),
        statement=statement,
        contributor=contributor,
        page_url=f"{link}?lang={recipient.language}",
        choices_url=links.report_choices(report_recipients.choices_token(recipient)),
        is_test=services().settings.is_sandbox,
    )
    return news.compose()


def _staff_todo(message: OutboxMessage) -> EmailContent | None:
    """What needs attention now; None when nothing does."""
    member, campaign = db.session.get(Staff, message.staff_id), current_campaign()
    if member is None or campaign is None:
        return None
    counts = staff_todo.todo_of_all().counted
    if not counts:
        return None
    is_test = services().settings.is_sandbox
    return staff.staff_todo(counts, recipient=member.email, charity=campaign.charity, url=services().links.staff_home(), is_test=is_test)


def _staff_password(message: OutboxMessage) -> EmailContent | None:
    """None for a member who was deactivated meanwhile."""
    member, campaign = db.session.get(Staff, message.staff_id), current_campaign()
    if member is None or campaign is None or not member.active:
        return None
    is_test, url = services().settings.is_sandbox, one_time_link(member)
    compose = staff_access.password_link if member.password else staff_access.invitation
    return compose(recipient=member.email, charity=campaign.charity, url=url, is_test=is_test)


def _staff_factor(message: OutboxMessage) -> EmailContent | None:
    """What has changed in how the member signs in."""
    member, campaign = db.session.get(Staff, message.staff_id), current_campaign()
    if member is None or campaign is None or message.factor_change is None:
        return None
    is_test, url = services().settings.is_sandbox, services().links.staff_new_password()
    change = FactorChange(message.factor_change)
    return staff_access.factor_changed(change, recipient=member.email, charity=campaign.charity, url=url, is_test=is_test)


def _pledge_request(message: OutboxMessage) -> EmailContent | None:
    """A request to raise a pledge, or its decision; None for a member who was deactivated meanwhile."""
    member, request = db.session.get(Staff, message.staff_id), db.session.get_one(PledgeRequest, message.pledge_request_id)
    if member is None or not member.active:
        return None
    fund = db.session.get_one(Fund, request.fund_id)
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    write = staff.pledge_requested if message.kind == MessageKind.PLEDGE_REQUESTED else staff.pledge_decided
    url, is_test = services().links.staff_funds(), services().settings.is_sandbox
    return write(request, fund, recipient=member.email, charity=charity, url=url, is_test=is_test)


def _seal_request(message: OutboxMessage) -> EmailContent | None:
    """A request to seal a campaign, or its decision; None for a member who was deactivated meanwhile."""
    member, request = db.session.get(Staff, message.staff_id), db.session.get_one(SealRequest, message.seal_request_id)
    if member is None or not member.active:
        return None
    campaign = db.session.get_one(Campaign, request.campaign_id)
    write = seals.seal_requested if message.kind == MessageKind.SEAL_REQUESTED else seals.seal_decided
    url, is_test = services().links.staff_seal(campaign.slug), services().settings.is_sandbox
    return write(request, campaign, recipient=member.email, url=url, is_test=is_test)


def _payment_change(message: OutboxMessage) -> EmailContent | None:
    """A request to correct or reverse a payment, or its decision; None for a member who was deactivated meanwhile."""
    member, request = db.session.get(Staff, message.staff_id), db.session.get_one(FunderPaymentRequest, message.funder_payment_request_id)
    if member is None or not member.active:
        return None
    payment = db.session.get_one(FunderPayment, request.funder_payment_id)
    fund, charity, is_test = payments.fund_of(payment), payments.charity_of(payment), services().settings.is_sandbox
    write = staff.payment_change_requested if message.kind == MessageKind.PAYMENT_CHANGE_REQUESTED else staff.payment_change_decided
    url = services().links.staff_payments(fund.slug)
    return write(request, payment, fund, recipient=member.email, charity=charity, url=url, is_test=is_test)


def _card_testing(message: OutboxMessage) -> EmailContent | None:
    """That the guard against card testing has begun or ended; None for a member who was deactivated meanwhile."""
    member, campaign = db.session.get(Staff, message.staff_id), current_campaign()
    if member is None or campaign is None or not member.active:
        return None
    guard = db.session.get_one(CardTestingGuard, message.card_testing_guard_id, populate_existing=True)
    compose = card_testing.begun if message.kind == MessageKind.CARD_TESTING_BEGUN else card_testing.ended
    url, is_test = services().links.card_testing(), services().settings.is_sandbox
    return compose(guard, recipient=member.email, charity=campaign.charity, url=url, is_test=is_test)


def _checkout_code(message: OutboxMessage) -> EmailContent:
    code = db.session.get_one(CheckoutCode, message.checkout_code_id)
    campaign, is_test = db.session.get_one(Campaign, code.campaign_id), services().settings.is_sandbox
    return card_testing.checkout_code(code, campaign, digits=checkout_codes.digits_of(code), is_test=is_test)


COMPOSERS: dict[MessageKind, Callable[[OutboxMessage], EmailContent | None]] = {
    MessageKind.FUNDER_PAYMENT: _funder_payment_received,
    MessageKind.FUNDER_PAYMENT_CORRECTED: _funder_payment_corrected,
    MessageKind.FUNDER_PAYMENT_REVERSED: _funder_payment_reversed,
    MessageKind.FUNDER_PAYMENT_RETURNED: _funder_payment_returned,
    MessageKind.PAYMENT_CHANGE_REQUESTED: _payment_change,
    MessageKind.PAYMENT_CHANGE_DECIDED: _payment_change,
    MessageKind.FUNDER_REPORT: _compose_funder_report,
    MessageKind.PLEDGE_MATCHED: _pledge_matched,
    MessageKind.STAFF_TODO: _staff_todo,
    MessageKind.STAFF_ACCESS: _staff_password,
    MessageKind.STAFF_FACTOR: _staff_factor,
    MessageKind.PLEDGE_REQUESTED: _pledge_request,
    MessageKind.PLEDGE_DECIDED: _pledge_request,
    MessageKind.SEAL_REQUESTED: _seal_request,
    MessageKind.SEAL_DECIDED: _seal_request,
    MessageKind.CARD_TESTING_BEGUN: _card_testing,
    MessageKind.CARD_TESTING_ENDED: _card_testing,
    MessageKind.CHECKOUT_CODE: _checkout_code,
    **call_notices.COMPOSERS,
}
