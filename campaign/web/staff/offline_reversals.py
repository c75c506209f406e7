"""One offline gift for staff: how it was paid, and reversing it: its cheque came back, it was recorded wrongly, or money was given back."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations.donations import Donation
from campaign.payments import deposits, offline_gifts
from campaign.payments.offline_gifts import OfflineReversal, ReversalDetails
from campaign.receipts import offline_gift_actions, receipts
from campaign.rules import typed_text
from campaign.rules.money import format_money
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_day
from campaign.web.errors import campaign_or_404
from campaign.web.labels import offline_method_labels, offline_reversal_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.donor_news import describe_news
from campaign.web.staff.offline_gift_form import LONGEST_REFERENCE
from campaign.web.staff.offline_gifts import offline_gift_or_404
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedAmount, TypedDay, TypedLine, read_amount, read_day, read_reason_line

bp = Blueprint("staff_offline_reversals", __name__, url_prefix="/staff/offline-gifts/<public_id>")


@dataclass(frozen=True, kw_only=True)
class ReversalForm:
    """What a member typed of a reversal."""

    kind: OfflineReversalKind | None = None
    kind_error: str = ""
    amount: TypedAmount = field(default_factory=TypedAmount)
    day: TypedDay = field(default_factory=TypedDay)
    reference: str = ""
    reason: TypedLine = field(default_factory=TypedLine)

    @property
    def is_valid(self) -> bool:
        """Whether all fields are."""
        return not (self.kind_error or self.amount.error or self.day.error or self.reason.error)


@bp.get("")
@access("viewer")
def page(public_id: str) -> ResponseReturnValue:
    """The gift, what was reversed of it, and the form to reverse it."""
    donation = offline_gift_or_404(public_id)
    return _page(donation, ReversalForm(day=TypedDay(text=_today().isoformat())))


def _page(donation: Donation, typed: ReversalForm) -> str:
    language, gift = current_language(), offline_gifts.find(donation.id)
    assert gift is not None and donation.received_at is not None
    deposit, receipt = deposits.deposit_of(donation.id), receipts.receipt_of(donation.id)
    received_on, refunded_cents = donation.campaign.charity.local(donation.received_at).date(), donation.amount_cents - donation.net_cents
    return render_template(
        "staff/offline_reversal.html",
        title=campaign_or_404().title(language),
        donation=donation,
        name=donation.full_name or gettext("no name"),
        amount=format_money(donation.amount_cents, language),
        left=format_money(donation.net_cents, language),
        received_on=format_day(received_on, language),
        first_day=received_on.isoformat(),
        today=_today().isoformat(),
        method=offline_method_labels()[OfflineMethod(gift.method)],
        reference=gift.reference,
        recorded_by=gift.recorded_by,
        deposit=deposit,
        serial=receipt.serial if receipt else "",
        reversals=[_row(reversal) for reversal in offline_gifts.reversals_of(donation.id)],
        kinds=[
            (kind.value, label)
            for kind, label in offline_reversal_labels().items()
            if kind is not OfflineReversalKind.MISTAKE or not refunded_cents
        ],
        refunded=format_money(refunded_cents, language) if refunded_cents else "",
        may_reverse=has_role("clerk") and donation.net_cents > 0,
        news=describe_news(donation),
        typed=typed,
        longest_reference=LONGEST_REFERENCE,
        longest_reason=LONGEST_REASON,
    )


def _row(reversal: OfflineReversal) -> dict[str, Any]:
    return {
        "what": offline_reversal_labels()[OfflineReversalKind(reversal.kind)],
        "amount": format_money(reversal.cents, current_language()),
        "on": reversal.reversed_on.isoformat(),
        "reference": reversal.reference,
        "reason": gettext("undone right after it was recorded") if reversal.reason == offline_gift_actions.UNDONE else reversal.reason,
        "by": reversal.recorded_by,
    }


@bp.post("/reversals")
@access("clerk", fresh=True)
def reverse(public_id: str) -> ResponseReturnValue:
    """Reverse the gift, in part if money of it was given back."""
    donation = offline_gift_or_404(public_id)
    typed = _read(donation)
    if not typed.is_valid:
        return _page(donation, typed), 422
    assert typed.kind is not None
    details = ReversalDetails(
        kind=typed.kind, cents=typed.amount.cents, reversed_on=typed.day.day, reference=typed.reference, reason=typed.reason.text
    )
    try:
        offline_gift_actions.record_reversal(donation, details, actor=current_user.email)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _page(donation, typed), 422
    done = gettext("Reversed: the match and the receipt follow within a minute.")
    flash(f"{done} {describe_news(donation)}")
    return redirect(url_for("staff_offline_reversals.page", public_id=public_id), 303)


def _read(donation: Donation) -> ReversalForm:
    """The posted form. What never was a gift is reversed as a whole: its amount is not asked for."""
    chosen = request.form.get("kind", "")
    kind = OfflineReversalKind(chosen) if chosen in set(OfflineReversalKind) else None
    is_refund = kind is OfflineReversalKind.REFUNDED
    amount = read_amount(most_cents=max(donation.net_cents, 1)) if is_refund else TypedAmount(cents=donation.net_cents)
    return ReversalForm(
        kind=kind,
        kind_error="" if kind else gettext("Please choose what happened."),
        amount=amount,
        day=read_day("day", example=_today()),
        reference="".join(c for c in " ".join(typed_text.clean(request.form.get("reference")).split()) if c.isprintable())[
            :LONGEST_REFERENCE
        ],
        reason=read_reason_line(),
    )


def _today() -> date:
    return campaign_or_404().charity.local(datetime.now(UTC)).date()
