"""Receipts for staff: the register of a year with its totals, each receipt with its life, and voiding one, which takes two people."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.giving import mails, receipts, void_requests
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.giving.donations import Donation
from campaign.giving.funder_payments import FunderPayment, funder_of
from campaign.giving.receipting import BOOKS
from campaign.giving.receipts import Receipt
from campaign.reporting import registers
from campaign.reporting.registers import Line, Totals
from campaign.rules import refusals
from campaign.rules.money import written
from campaign.web.languages import spoken
from campaign.web.own_receipt import receipt_answer
from campaign.web.security import access, has_role
from campaign.web.states import because_words, receipt_words
from campaign.work import documents, receipt_desk
from campaign.work.receipt_desk import CannotDo

bp = Blueprint("staff_receipts", __name__, url_prefix="/staff/receipts")

LONGEST_REASON = 500
PIECE = 64 * 1024
EARLIEST_YEAR, LATEST_YEAR = 2000, 2200


@bp.get("")
@access("viewer")
def register() -> ResponseReturnValue:
    """The year's receipts, a page at a time, with totals that tie to the books."""
    campaign = _campaign()
    charity, language, year = campaign.charity, spoken(), _year(campaign)
    after, serial = request.args.get("after", 0, type=int), " ".join(request.args.get("serial", "").split())[:40]
    lines = registers.page_of(charity, year, after=after, serial=serial)
    totals = None if after or serial else registers.totals_of(charity, year)  # They add up the whole year: once is enough.
    return render_template(
        "staff/receipts.html",
        title=campaign.title(language),
        charity_name=charity.name(language),
        year=year,
        years=sorted({year, *registers.years(charity)}, reverse=True),
        serial=serial,
        totals=_sums(totals) if totals else None,
        lines=[_shown(line) for line in lines[: registers.PAGE]],
        next_after=lines[registers.PAGE - 1].id if len(lines) > registers.PAGE else None,
        may_export=has_role("manager"),
        voids=[_void(void) for void in void_requests.open_requests()],
        may_decide=has_role("manager"),
    )


def _sums(totals: Totals) -> dict[str, Any]:
    language = spoken()
    return {
        "standing": totals.standing,
        "ended": totals.ended,
        "receipted": written(totals.receipted_cents, language),
        "in_quebec": written(totals.receipted_in_quebec_cents, language),
        "kept": written(totals.kept_cents, language),
        "unreceipted": written(totals.unreceipted_cents, language),
    }


def _shown(line: Line) -> dict[str, Any]:
    language = spoken()
    return {
        "serial": line.serial,
        "issued_on": line.issued_on,
        "received": line.received,
        "donor": line.donor,
        "eligible": written(line.eligible_cents, language),
        "status": line.status,
        "status_words": receipt_words()[line.status],
        "replaces": line.replaces,
    }


def _void(request_: void_requests.VoidRequest) -> dict[str, Any]:
    receipt = db.session.get_one(Receipt, request_.receipt_id)
    return {
        "id": request_.id,
        "serial": receipt.serial,
        "asked_by": request_.asked_by,
        "reason": request_.reason,
        "is_mine": request_.asked_by.casefold() == current_user.email.casefold(),
    }


@bp.get("/register.csv")
@access("manager")
def register_csv() -> ResponseReturnValue:
    """The whole year as a file, read as it is sent."""
    campaign = _campaign()
    year = _year(campaign)
    pieces = registers.as_csv(registers.all_of(campaign.charity, year), _headings(), receipt_words())
    answer = Response(stream_with_context(_encoded(pieces)), mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="receipts-{year}.csv"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _encoded(pieces: Iterator[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece.encode()


@bp.get("/register.xlsx")
@access("manager")
def register_xlsx() -> ResponseReturnValue:
    """The same as a workbook."""
    campaign = _campaign()
    year = _year(campaign)
    answer = Response(stream_with_context(_workbook(campaign, year)), mimetype=XLSX)
    answer.headers["Content-Disposition"] = f'attachment; filename="receipts-{year}.xlsx"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _workbook(campaign: Campaign, year: int) -> Iterator[bytes]:
    """Written to a file of its own, which is gone when it is sent."""
    with tempfile.TemporaryFile(prefix="register-") as file:
        registers.write_xlsx(file, registers.all_of(campaign.charity, year), _headings(), receipt_words())
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _headings() -> list[str]:
    return [
        gettext("Serial number"),
        gettext("Date of issue"),
        gettext("Gift received"),
        gettext("Donor"),
        gettext("Province"),
        gettext("Amount"),
        gettext("Advantage"),
        gettext("Eligible amount"),
        gettext("State"),
        gettext("Replaces"),
    ]


@bp.get("/<serial>")
@access("viewer")
def page(serial: str) -> ResponseReturnValue:
    """One receipt: what it says, its gifts, how it ended and what stands in its place."""
    campaign = _campaign()
    receipt, language = _receipt(campaign, serial), spoken()
    ended, replacement = receipts.end_of(receipt), receipts.replacement_of(receipt)
    return render_template(
        "staff/receipt.html",
        title=campaign.title(language),
        receipt=receipt,
        content=receipt.content,
        status=receipts.status_of(receipt).value,
        status_words=receipt_words()[receipts.status_of(receipt).value],
        amount=written(receipt.content["amount_cents"], language),
        advantage=written(receipt.content["advantage_cents"], language),
        eligible=written(receipt.content["eligible_cents"], language),
        gifts=[_gift(gift, language) for gift in receipts.gifts_on(receipt)],
        ended=ended,
        sent_on=_moment(mails.sent_at(receipt), campaign),
        ended_by=ended.actor if ended and ended.actor != BOOKS else "",
        because=because_words()[ended.because] if ended else "",
        ended_at=_moment(ended.at if ended else None, campaign),
        replacement=replacement.serial if replacement else "",
        void=void_requests.open_for(receipt),
        may_ask=has_role("clerk"),
        longest_reason=LONGEST_REASON,
    )


def _moment(moment: datetime | None, campaign: Campaign) -> str:
    return str(format_datetime(campaign.charity.local(moment), "yyyy-MM-dd HH:mm", rebase=False)) if moment else ""


def _gift(gift: receipts.ReceiptGift, language: str) -> dict[str, str]:
    if gift.donation_id is None:
        payment = db.session.get_one(FunderPayment, gift.funder_payment_id)
        return {"public_id": "", "name": funder_of(payment).name(language), "amount": written(gift.cents, language)}
    donation = db.session.get_one(Donation, gift.donation_id)
    return {"public_id": donation.public_id, "name": donation.full_name, "amount": written(gift.cents, language)}


@bp.get("/<serial>/receipt.pdf")
@access("viewer")
def pdf(serial: str) -> ResponseReturnValue:
    """As the donor has it."""
    return receipt_answer(_receipt(_campaign(), serial))


@bp.get("/<serial>/archived.pdf")
@access("viewer")
def archived(serial: str) -> ResponseReturnValue:
    """As it is filed: for auditors, who want a file that archives take."""
    receipt = _receipt(_campaign(), serial)
    answer = Response(documents.archived(receipt), mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{receipt.serial}-archive.pdf"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@bp.post("/<serial>/voids")
@access("clerk")
def ask_to_void(serial: str) -> ResponseReturnValue:
    """The first of two people."""
    receipt, reason = _receipt(_campaign(), serial), reason_given()
    if reason:
        try:
            receipt_desk.ask_to_void(receipt, actor=current_user.email, reason=reason)
            flash(gettext("A manager who is somebody else must agree. Until then the receipt stands."))
        except CannotDo as error:
            flash(refusals.say(error.refusal, spoken()), "error")
    return redirect(url_for("staff_receipts.page", serial=serial), 303)


@bp.post("/voids/<int:request_id>")
@access("manager")
def decide_void(request_id: int) -> ResponseReturnValue:
    """The second of two people."""
    found = void_requests.request_named(request_id)
    if found is None or request.form.get("decision") not in {"agree", "refuse"}:
        abort(404)
    try:
        receipt_desk.decide_void(found, agrees=request.form["decision"] == "agree", actor=current_user.email)
        agreed = gettext("The receipt is cancelled, and the donor is told.")
        flash(agreed if request.form["decision"] == "agree" else gettext("The receipt stands."))
    except CannotDo as error:
        flash(refusals.say(error.refusal, spoken()), "error")
    return redirect(url_for("staff_receipts.register"), 303)


def reason_given() -> str:
    """The reason of a form, in one line; empty, and said so, when there is none."""
    reason = " ".join(request.form.get("reason", "").split())
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        flash(gettext("Please say why, in one line; nothing was changed."), "error")
        return ""
    return reason


def _campaign() -> Campaign:
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    return campaign


def _receipt(campaign: Campaign, serial: str) -> Receipt:
    receipt = receipts.receipt_by_serial(campaign.charity_id, serial)
    if receipt is None:
        abort(404)
    return receipt


def _year(campaign: Campaign) -> int:
    year = request.args.get("year", campaign.charity.local(datetime.now(UTC)).year, type=int)
    return min(max(year, EARLIEST_YEAR), LATEST_YEAR)
