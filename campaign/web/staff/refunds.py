"""Refunds of a donation: what a refund would do is shown before it is confirmed, and sent twice it is done once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext, ngettext
from flask_security import current_user

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeUnavailable
from campaign.payments import refund_jobs, refunds, reversals
from campaign.payments.refund_previews import RefundPreview
from campaign.payments.refunds import RefundRefused, RefundRequest
from campaign.receipts import receipts
from campaign.recurring.recurring_gifts import recurring_gift_of
from campaign.rules.money import format_money, format_typed
from campaign.rules.receipt_requirements import INFORMATION_RETURN_WITHIN_DAYS
from campaign.rules.returned_gifts import has_to_be_reported
from campaign.stripe_sync import balance_transactions
from campaign.texts.dates import format_day
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.donor_news import describe_news
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedAmount, TypedLine, read_amount, read_reason_line

bp = Blueprint("staff_refunds", __name__, url_prefix="/staff/donations/<public_id>/refunds")

# More are counted, not listed.
DONORS_SHOWN = 10


@bp.get("")
@access("manager")
def page(public_id: str) -> ResponseReturnValue:
    """The form, with all that is left of the payment as its amount."""
    donation = donation_or_404(public_id)
    left = reversals.refundable_cents(donation) if donation.received_at and donation.payment_intent else 0
    return _page(donation, TypedAmount(text=format_typed(left, current_language()), cents=left), TypedLine(), refunds.new_key())


@bp.post("")
@access("manager", fresh=True)
def refund(public_id: str) -> ResponseReturnValue:
    """Show what the refund would do; once that is confirmed, refund."""
    donation, key = donation_or_404(public_id), request.form.get("key", "")
    amount, reason = read_amount(most_cents=donation.charged_cents), read_reason_line()
    key = key if refunds.is_key(key) else refunds.new_key()
    if amount.error or reason.error:
        return _page(donation, amount, reason, key), 422
    if "confirmed" not in request.form:
        return _decide_preview(donation, amount, reason, key)
    try:
        refund_jobs.refund(donation, amount.cents, actor=current_user.email, reason=reason.text, key=key)
    except RefundRefused as error:
        db.session.rollback()
        flash(error.describe(current_language()), "error")
        return _page(donation, amount, reason, refunds.new_key()), 422
    except StripeUnavailable:
        db.session.rollback()
        flash(gettext("Stripe did not answer. The refund request is stored and will be retried within minutes."))
    else:
        done = gettext("%(amount)s is refunded.", amount=format_money(amount.cents, current_language()))
        flash(f"{done} {describe_news(donation)}")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def _decide_preview(donation: Donation, amount: TypedAmount, reason: TypedLine, key: str) -> ResponseReturnValue:
    try:
        preview = refund_jobs.decide_preview(donation, amount.cents)
    except RefundRefused as error:
        flash(error.describe(current_language()), "error")
        return _page(donation, amount, reason, key), 422
    return _page(donation, amount, reason, key, effects=_effects(donation, preview), preview=preview)


def _page(
    donation: Donation,
    amount: TypedAmount,
    reason: TypedLine,
    key: str,
    *,
    effects: list[str] | None = None,
    preview: RefundPreview | None = None,
) -> str:
    language = current_language()
    left = reversals.refundable_cents(donation) if donation.received_at and donation.payment_intent else 0
    shown = preview.rematched[:DONORS_SHOWN] if preview else ()
    return render_template(
        "staff/refund.html",
        title=donation.campaign.title(language),
        donation=donation,
        charged=format_money(donation.charged_cents, language),
        left=format_money(left, language),
        may_refund=left > 0,
        amount=amount,
        reason=reason,
        key=key,
        longest_reason=LONGEST_REASON,
        effects=effects or [],
        rematched=[{"name": d.full_name, "public_id": d.public_id, "more": format_money(cents, language)} for d, cents in shown],
        not_shown=len(preview.rematched) - len(shown) if preview else 0,
        sum=format_money(preview.cents, language) if preview else "",
    )


def _effects(donation: Donation, preview: RefundPreview) -> list[str]:
    """What the refund does, one sentence each."""
    language = current_language()
    return [*_about_donor(donation, preview, language), *_about_match(preview, language), *_about_receipt(donation, preview, language)]


def _about_donor(donation: Donation, preview: RefundPreview, language: str) -> list[str]:
    cents, fee = format_money(preview.cents, language), format_money(preview.fee_cents, language)
    found = [
        gettext("The donor gets %(sum)s back, of which %(fee)s is covered fee, on the card or account that paid.", sum=cents, fee=fee)
        if preview.fee_cents
        else gettext("The donor gets %(sum)s back, on the card or account that paid.", sum=cents)
    ]
    if charged := balance_transactions.fee_cents_of(donation):
        found.append(gettext("Stripe does not return its fee of %(fee)s: the charity bears it.", fee=format_money(charged, language)))
    gift = recurring_gift_of(donation)
    if gift is not None and gift.ended_at is None:
        found.append(gettext("The monthly gift goes on: this refunds one month alone."))
    return found


def _about_match(preview: RefundPreview, language: str) -> list[str]:
    if not preview.freed_cents:
        return [gettext("The match does not change.")]
    freed, left, rematched = (format_money(c, language) for c in (preview.freed_cents, preview.matched_cents, preview.rematched_cents))
    found = [gettext("The match of this gift falls by %(freed)s, to %(left)s.", freed=freed, left=left)]
    if preview.rematched:
        text = ngettext(
            "%(sum)s of it goes at once to %(num)s gift that was not matched in full; that donor gets an email, if there is an address.",
            "%(sum)s of it goes at once to %(num)s gifts that were not matched in full; those donors who have an address get an email.",
            len(preview.rematched),
            sum=rematched,
        )
        found.append(text)
    if preview.freed_cents > preview.rematched_cents:
        rest = format_money(preview.freed_cents - preview.rematched_cents, language)
        found.append(gettext("%(sum)s of it goes back to the fund, for other gifts.", sum=rest))
    return found


def _about_receipt(donation: Donation, preview: RefundPreview, language: str) -> list[str]:
    receipt = receipts.receipt_of(donation.id)
    if receipt is None:
        return [gettext("No receipt was issued for this gift, so none is cancelled.")]
    remains = receipt.cents - preview.cents
    found = [
        gettext(
            "Receipt %(serial)s is cancelled and replaced by one for %(rest)s.", serial=receipt.serial, rest=format_money(remains, language)
        )
        if remains > 0
        else gettext("Receipt %(serial)s is cancelled.", serial=receipt.serial)
    ]
    if has_to_be_reported(receipts.first_cents(receipt) - max(0, remains)):
        today = donation.campaign.charity.local(datetime.now(UTC)).date()
        due = format_day(today + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS), language)
        found.append(gettext("More than $50 is returned after a receipt: an information return is due by %(day)s.", day=due))
    return found


def request_rows(donation: Donation) -> list[dict[str, Any]]:
    """The refunds that staff have asked for, for the page of the donation."""
    language, local = current_language(), donation.campaign.charity.local

    def state(asked: RefundRequest) -> str:
        if asked.refusal:
            return gettext("refused by Stripe: %(reason)s", reason=asked.refusal)
        return gettext("refunded") if asked.ended_at else gettext("in progress")

    return [
        {
            "iso": asked.requested_at.isoformat(),
            "at": format_datetime(local(asked.requested_at), "yyyy-MM-dd HH:mm", rebase=False),
            "sum": format_money(asked.cents, language),
            "who": asked.actor,
            "why": asked.reason,
            "state": state(asked),
        }
        for asked in refunds.list_requests(donation)
    ]
