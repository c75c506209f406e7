"""Receipts for staff: the register of a year with its totals, each receipt, and voiding one, which takes two people."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donations
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.payments import FunderPayment, funder_of
from campaign.outbox import deliveries, waiting_receipts
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import posted_receipts, receipt_actions, receipts, render_jobs, void_requests
from campaign.receipts.receipts import SYSTEM_ACTOR, Receipt
from campaign.receipts.void_requests import VoidDecision
from campaign.reporting import receipt_register
from campaign.reporting.receipt_register import RegisterLine, RegisterTotals
from campaign.rules.fiscal_years import Period, calendar_year, fiscal_year
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_day
from campaign.texts.file_names import Document, file_name
from campaign.texts.receipt_elements import describe_missing
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.labels import end_reason_labels, receipt_status_labels
from campaign.web.languages import current_language
from campaign.web.public.receipt_page import send_receipt
from campaign.web.security import access, has_role
from campaign.web.staff import add_up
from campaign.web.staff.declarations import name_of_receipt
from campaign.web.staff.donor_news import describe_cancelled
from campaign.web.staff.exports import export_name, origin_of, record_export, send_csv, send_xlsx
from campaign.web.staff.return_tables import register_table
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_receipts", __name__, url_prefix="/staff/receipts")

FISCAL = "fiscal"
WAITING_SHOWN = 50
EARLIEST_YEAR, LATEST_YEAR = 2000, 2200


@bp.get("")
@access("viewer")
def register() -> ResponseReturnValue:
    """The receipts of a year, one page at a time, with totals that agree with the books."""
    campaign = campaign_or_404()
    charity, language, year, period = campaign.charity, current_language(), _year(campaign), _period(campaign)
    after, serial = request.args.get("after", 0, type=int), " ".join(request.args.get("serial", "").split())[:40]
    lines = receipt_register.register_page(charity, period, after=after, serial=serial)
    # Totals only on the first page: they aggregate the whole year.
    is_asked = not after and not serial and add_up.asks_first(campaign, period)
    totals = None if after or serial or is_asked else receipt_register.totals_of(charity, period)
    return render_template(
        "staff/receipts.html",
        title=campaign.title(language),
        charity_name=charity.name(language),
        year=year,
        period=request.args.get("period") if request.args.get("period") == FISCAL else None,
        first_on=format_day(period.first_on, current_language()),
        last_on=format_day(period.last_on, current_language()),
        years=sorted({year, *receipt_register.years(charity)}, reverse=True),
        serial=serial,
        totals=_totals_row(totals) if totals else None,
        question=add_up.question() if is_asked else "",
        sums_url=add_up.sums_url(),
        lines=[_register_row(line) for line in lines[: receipt_register.PAGE_SIZE]],
        next_after=lines[receipt_register.PAGE_SIZE - 1].id if len(lines) > receipt_register.PAGE_SIZE else None,
        may_export=has_role("manager"),
        waiting=_waiting_rows(waiting_receipts.list_oldest(charity, limit=WAITING_SHOWN), campaign),
        voids=[_void_row(void_request) for void_request in void_requests.list_open(charity)],
        may_decide=has_role("manager"),
    )


def _totals_row(totals: RegisterTotals) -> dict[str, Any]:
    language = current_language()
    return {
        "valid": totals.valid,
        "ended": totals.ended,
        "receipted": format_money(totals.receipted_cents, language),
        "in_quebec": format_money(totals.receipted_in_quebec_cents, language),
        "kept": format_money(totals.retained_cents, language),
        "unreceipted": format_money(totals.unreceipted_cents, language),
    }


def _register_row(line: RegisterLine) -> dict[str, Any]:
    language = current_language()
    return {
        "serial": line.serial,
        "issued_on": line.issued_on,
        "received": line.received,
        "donor": line.donor,
        "eligible": format_money(line.eligible_cents, language),
        "status": line.status,
        "status_words": receipt_status_labels()[line.status],
        "replaces": line.replaces,
    }


def _waiting_rows(messages: Sequence[OutboxMessage], campaign: Campaign) -> list[dict[str, Any]]:
    gifts = donations.donations_by_id(message.donation_id for message in messages)
    return [_waiting_row(message, gifts.get(message.donation_id or 0), campaign) for message in messages]


def _waiting_row(message: OutboxMessage, donation: Donation | None, campaign: Campaign) -> dict[str, Any]:
    payment = db.session.get_one(FunderPayment, message.funder_payment_id) if message.funder_payment_id else None
    return {
        "since": _moment(message.created_at, campaign),
        "public_id": donation.public_id if donation else "",
        "name": donation.full_name if donation else funder_of(payment).name(current_language()) if payment else "",
        "lacks": describe_missing(message.missing_elements or [], current_language()),
    }


def _void_row(void_request: void_requests.VoidRequest) -> dict[str, Any]:
    receipt = db.session.get_one(Receipt, void_request.receipt_id)
    return {
        "id": void_request.id,
        "serial": receipt.serial,
        "asked_by": void_request.requested_by,
        "reason": void_request.reason,
        "is_mine": void_request.requested_by.casefold() == current_user.email.casefold(),
    }


def _closed_void(void_request: void_requests.VoidRequest, campaign: Campaign) -> dict[str, str]:
    """A request that did not void the receipt, and how it ended."""
    who = void_request.decided_by or ""
    assert void_request.decision is not None
    outcomes = {
        VoidDecision.REFUSED: gettext("%(who)s refused it.", who=who),
        VoidDecision.WITHDRAWN: gettext("It was withdrawn: %(who)s answered since then that the funder is no registered charity.", who=who),
        VoidDecision.ENDED: gettext("It was closed because the receipt was cancelled for another reason."),
        VoidDecision.MOVED: gettext("It is asked of the receipt that replaces this one."),
    }
    return {
        "who": void_request.requested_by,
        "reason": void_request.reason,
        "outcome": outcomes[VoidDecision(void_request.decision)],
        "on": _moment(void_request.decided_at, campaign),
    }


@bp.get("/register.csv")
@access("manager", fresh=True)
def register_csv() -> ResponseReturnValue:
    """The register of the year as CSV, read while it is sent."""
    campaign = campaign_or_404()
    period = _period(campaign)
    record_export("register of receipts (CSV)", _subject(period), of_charity=campaign.charity_id)
    return send_csv(register_table(campaign.charity, period), export_name(campaign.charity, Document.RECEIPTS, period, "csv"))


@bp.get("/register.xlsx")
@access("manager", fresh=True)
def register_xlsx() -> ResponseReturnValue:
    """The register of the year as an XLSX workbook."""
    campaign = campaign_or_404()
    period = _period(campaign)
    record_export("register of receipts (XLSX)", _subject(period), of_charity=campaign.charity_id)
    charity = campaign.charity
    return send_xlsx([register_table(charity, period)], origin_of(charity, period), export_name(charity, Document.RECEIPTS, period, "xlsx"))


def _subject(period: Period) -> str:
    """The calendar year, or the last day of a fiscal year, which is the calendar year when they are the same."""
    return str(period.year) if period == calendar_year(period.year) else f"{period.last_on}"


@bp.get("/<serial>")
@access("viewer")
def page(serial: str) -> ResponseReturnValue:
    """One receipt: its content, its donations, its end and its replacement."""
    campaign = campaign_or_404()
    receipt, language = _receipt_or_404(campaign, serial), current_language()
    ended, replacement = receipts.end_of(receipt), receipts.replacement_of(receipt)
    posting = posted_receipts.posting_of(receipt)
    return render_template(
        "staff/receipt.html",
        title=campaign.title(language),
        receipt=receipt,
        content=receipt.content,
        status=receipts.status_of(receipt).value,
        status_words=receipt_status_labels()[receipts.status_of(receipt).value],
        amount=format_money(receipt.content["amount_cents"], language),
        advantage=format_money(receipt.content["advantage_cents"], language),
        eligible=format_money(receipt.content["eligible_cents"], language),
        named=name_of_receipt(receipt),
        gifts=[_line_row(line, language) for line in receipts.lines_of(receipt)],
        ended=ended,
        sent_on=_moment(deliveries.sent_at(receipt.id), campaign),
        posted_on=_moment(posting.posted_at if posting else None, campaign),
        is_to_post=posted_receipts.is_to_post(receipt),
        ended_by=ended.actor if ended and ended.actor != SYSTEM_ACTOR else "",
        end_reason=end_reason_labels()[ended.reason] if ended else "",
        ended_at=_moment(ended.at if ended else None, campaign),
        replacement=replacement.serial if replacement else "",
        void=void_requests.open_for(receipt.id),
        closed_voids=[_closed_void(void_request, campaign) for void_request in void_requests.list_closed(receipt.id)],
        may_ask=has_role("clerk"),
        longest_reason=LONGEST_REASON,
    )


def _moment(moment: datetime | None, campaign: Campaign) -> str:
    return str(format_datetime(campaign.charity.local(moment), "yyyy-MM-dd HH:mm", rebase=False)) if moment else ""


def _line_row(line: receipts.ReceiptLine, language: str) -> dict[str, str]:
    if line.donation_id is None:
        payment = db.session.get_one(FunderPayment, line.funder_payment_id)
        return {"public_id": "", "name": funder_of(payment).name(language), "amount": format_money(line.cents, language)}
    donation = db.session.get_one(Donation, line.donation_id)
    return {"public_id": donation.public_id, "name": donation.full_name, "amount": format_money(line.cents, language)}


@bp.get("/<serial>/receipt.pdf")
@access("viewer")
def pdf(serial: str) -> ResponseReturnValue:
    """The document that the donor gets."""
    receipt = _receipt_or_404(campaign_or_404(), serial)
    record_export("receipt (PDF)", receipt.serial, of_charity=receipt.charity_id)
    return send_receipt(receipt)


@bp.get("/<serial>/archived.pdf")
@access("viewer")
def archived(serial: str) -> ResponseReturnValue:
    """The archived document (PDF/A), for auditors."""
    receipt = _receipt_or_404(campaign_or_404(), serial)
    record_export("receipt (PDF/A)", receipt.serial, of_charity=receipt.charity_id)
    name = file_name(Document.ARCHIVED_RECEIPT, receipt.serial, language=current_language(), extension="pdf")
    return name_file(Response(render_jobs.get_or_archive(receipt), mimetype="application/pdf"), name)


@bp.post("/<serial>/voids")
@access("clerk", fresh=True)
def ask_to_void(serial: str) -> ResponseReturnValue:
    """Request that the receipt be voided."""
    receipt, reason = _receipt_or_404(campaign_or_404(), serial), read_reason()
    if not reason:
        return refused(page(serial))
    try:
        receipt_actions.request_void(receipt, actor=current_user.email, reason=reason)
        flash(gettext("Another manager must agree. Until then the receipt stays valid."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_receipts.page", serial=serial), 303)


@bp.post("/voids/<int:request_id>")
@access("manager", fresh=True)
def decide_void(request_id: int) -> ResponseReturnValue:
    """Agree to a void request, or refuse it."""
    void_request = void_requests.get(request_id)
    if void_request is None or request.form.get("decision") not in {"agree", "refuse"}:
        abort(404)
    try:
        receipt_actions.decide_void(void_request, agrees=request.form["decision"] == "agree", actor=current_user.email)
        is_cancelled = request.form["decision"] == "agree"
        receipt = db.session.get_one(Receipt, void_request.receipt_id)
        flash(describe_cancelled(receipt) if is_cancelled else gettext("The receipt stays valid."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_receipts.register"), 303)


def _receipt_or_404(campaign: Campaign, serial: str) -> Receipt:
    receipt = receipts.receipt_by_serial(campaign.charity_id, serial)
    if receipt is None:
        abort(404)
    return receipt


def _year(campaign: Campaign) -> int:
    return bounded_year(request.args.get("year", campaign.charity.local(datetime.now(UTC)).year, type=int))


def bounded_year(year: int) -> int:
    """The year, within those that a date may have here."""
    return min(max(year, EARLIEST_YEAR), LATEST_YEAR)


def _period(campaign: Campaign) -> Period:
    is_fiscal = request.args.get("period") == FISCAL
    return fiscal_year(campaign.charity.fiscal_year_end, _year(campaign)) if is_fiscal else calendar_year(_year(campaign))
