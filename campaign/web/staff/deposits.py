"""Deposits for staff: the cheques and cash of the open one, closing it, and the slip of each to print or to open in Excel."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.payments import deposits
from campaign.payments.deposits import Deposit, DepositSlip
from campaign.receipts import offline_gift_actions
from campaign.reporting.offline_gift_list import ListedGift, gifts_of_deposit
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules.fiscal_years import Period
from campaign.rules.money import format_money
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.file_names import Document, file_name
from campaign.web.errors import campaign_or_404
from campaign.web.labels import offline_method_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.exports import origin_of, record_export, send_csv, send_xlsx
from campaign.web.staff.offline_gifts import gift_row
from campaign.web.staff.typed_fields import TypedDay, TypedLine, read_day, read_line

bp = Blueprint("staff_deposits", __name__, url_prefix="/staff/offline-gifts/deposits")

DEPOSITS_SHOWN = 50
LONGEST_ACCOUNT = 100


@bp.get("")
@access("viewer")
def index() -> ResponseReturnValue:
    """The deposits, the latest first. `?before=` is the number from which earlier ones are shown."""
    charity, before = campaign_or_404().charity, request.args.get("before", type=int)
    found = deposits.list_deposits(charity.id, before=before, limit=DEPOSITS_SHOWN + 1)
    shown = found[:DEPOSITS_SHOWN]
    return render_template(
        "staff/deposits.html",
        title=campaign_or_404().title(current_language()),
        deposits=[_row(deposit) for deposit in shown],
        next_before=shown[-1].number if len(found) > DEPOSITS_SHOWN else None,
    )


def _row(deposit: Deposit) -> dict[str, Any]:
    gifts, cents = (deposit.gifts, deposit.cents) if deposit.closed_at else deposits.totals_of(deposit.id)
    return {
        "number": deposit.number,
        "is_open": deposit.closed_at is None,
        "on": deposit.deposited_on.isoformat() if deposit.deposited_on else "",
        "account": deposit.bank_account,
        "gifts": gifts,
        "amount": format_money(cents or 0, current_language()),
        "by": deposit.closed_by or "",
    }


@bp.get("/<int:number>")
@access("viewer")
def page(number: int) -> ResponseReturnValue:
    """One deposit: to close it while it is open, and its slip to print."""
    deposit = _deposit_or_404(number)
    account = deposits.last_bank_account(deposit.charity_id)
    return _page(deposit, day=TypedDay(text=_today().isoformat()), account=TypedLine(text=account), unticked=set())


def _page(deposit: Deposit, *, day: TypedDay, account: TypedLine, unticked: set[int]) -> str:
    campaign, gifts = campaign_or_404(), gifts_of_deposit(deposit)
    return render_template(
        "staff/deposit.html",
        title=campaign.title(current_language()),
        charity=campaign.charity.legal_name,
        deposit=_row(deposit),
        gifts=[gift_row(gift) for gift in gifts],
        methods=_sums(gifts),
        mistaken=_mistaken(gifts),
        unticked=unticked,
        day=day,
        account=account,
        longest_account=LONGEST_ACCOUNT,
        today=_today().isoformat(),
        may_close=has_role("clerk") and deposit.closed_at is None and bool(gifts),
    )


def _mistaken(gifts: list[ListedGift]) -> dict[str, str] | None:
    """What the deposit holds that was recorded by mistake, and what is left without it; None when there is none."""
    mistakes = [gift.donation.amount_cents for gift in gifts if gift.fell_through is OfflineReversalKind.MISTAKE]
    rest = sum(gift.donation.amount_cents for gift in gifts) - sum(mistakes)
    return {"amount": format_money(sum(mistakes), current_language()), "rest": format_money(rest, current_language())} if mistakes else None


def _sums(gifts: list[ListedGift]) -> list[dict[str, Any]]:
    """How many gifts there are of each method, and their sum."""
    rows = []
    for method in OfflineMethod:
        cents = [gift.donation.amount_cents for gift in gifts if gift.method is method]
        if cents:
            rows.append(
                {"method": offline_method_labels()[method], "gifts": len(cents), "amount": format_money(sum(cents), current_language())}
            )
    return rows


@bp.post("/<int:number>/closings")
@access("clerk")
def close(number: int) -> ResponseReturnValue:
    """Close the deposit with the gifts that are ticked. The others go to the next one."""
    deposit, day = _deposit_or_404(number), read_day("day", example=_today())
    account = read_line(
        "account", longest=LONGEST_ACCOUNT, empty=gettext("Please write the bank account, for example its last four digits.")
    )
    if day.day > _today() and not day.error:
        day = replace(day, error=gettext("This day has not come yet. Please check it."))
    shown, taken = (set(request.form.getlist(name, type=int)) for name in ("shown", "taken"))
    if day.error or account.error:
        return _page(deposit, day=day, account=account, unticked=shown - taken), 422
    slip = DepositSlip(deposited_on=day.day, bank_account=account.text)
    try:
        following = offline_gift_actions.close_deposit(deposit, slip, taken=taken, shown=shown, actor=current_user.email)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _page(deposit, day=day, account=account, unticked=shown - taken), 422
    if following is None:
        flash(gettext("Deposit no. %(number)s is closed.", number=number))
    else:
        flash(gettext("Deposit no. %(number)s is closed. The rest is in no. %(next)s.", number=number, next=following.number))
    return redirect(url_for("staff_deposits.page", number=number), 303)


@bp.get("/<int:number>.csv")
@access("clerk", fresh=True)
def slip_csv(number: int) -> ResponseReturnValue:
    """The slip as CSV."""
    deposit = _deposit_or_404(number)
    record_export("deposit slip (CSV)", f"deposit {number}", of_charity=deposit.charity_id)
    return send_csv(_table(deposit), _file_name(deposit, "csv"))


@bp.get("/<int:number>.xlsx")
@access("clerk", fresh=True)
def slip_xlsx(number: int) -> ResponseReturnValue:
    """The slip as an XLSX workbook."""
    deposit = _deposit_or_404(number)
    day = deposit.deposited_on or _today()
    record_export("deposit slip (XLSX)", f"deposit {number}", of_charity=deposit.charity_id)
    origin = origin_of(campaign_or_404().charity, Period(first_on=day, last_on=day))
    return send_xlsx([_table(deposit)], origin, _file_name(deposit, "xlsx"))


def _file_name(deposit: Deposit, extension: str) -> str:
    day = deposit.deposited_on or _today()
    return file_name(Document.DEPOSIT, deposit.number, day, language=current_language(), extension=extension)


def _table(deposit: Deposit) -> Table:
    return Table(
        title=gettext("Deposit no. %(number)s", number=deposit.number),
        columns=(
            Column(heading=gettext("Method")),
            Column(heading=gettext("Number of the cheque or transfer"), width=20),
            Column(heading=gettext("Received on"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Name"), width=30),
            Column(heading=gettext("Amount"), kind=Kind.MONEY, width=13, is_totalled=True),
            Column(heading=gettext("Reference of the donation"), width=25),
        ),
        rows=[_cells(gift) for gift in gifts_of_deposit(deposit)],
        total=gettext("Total"),
    )


def _cells(gift: ListedGift) -> list[Cell]:
    donation = gift.donation
    assert donation.received_at is not None
    day = donation.campaign.charity.local(donation.received_at).date()
    method = offline_method_labels()[gift.method]
    return [method, gift.reference, day, donation.full_name, donation.amount_cents, donation.public_id]


def _today() -> date:
    return campaign_or_404().charity.local(datetime.now(UTC)).date()


def _deposit_or_404(number: int) -> Deposit:
    deposit = deposits.deposit_by_number(campaign_or_404().charity.id, number)
    if deposit is None:
        abort(404)
    return deposit
