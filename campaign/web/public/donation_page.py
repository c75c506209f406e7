"""The donor's page of a donation: its status, match, history, official receipt, and the proof of its ledger entries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, or_, update

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.signing_keys import signing_key_for
from campaign.donations import declarations, shared_messages
from campaign.donations.donations import Donation, donation_by_token
from campaign.donations.donors import wants_annual_receipt
from campaign.donations.news_withdrawals import wants_news
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.edges.stripe.reversals import ReversalKind
from campaign.outbox import deliveries
from campaign.payments import offline_gifts, reversals
from campaign.payments.status import DonationStatus, Status, status_of
from campaign.receipts import awaited, completeness, receipts
from campaign.receipts.receipts import Receipt
from campaign.recurring.recurring_gifts import recurring_gift_of
from campaign.reporting import donation_history, proofs
from campaign.rules import money
from campaign.rules.masking import mask_email
from campaign.rules.offline_gifts import OfflineMethod
from campaign.stripe_sync import poll_checkout_jobs
from campaign.texts import donation_timeline
from campaign.texts.dates import format_day, format_minute, format_time_with_zone
from campaign.texts.declaration_words import words_on_page
from campaign.texts.file_names import Document, file_name
from campaign.web.done_message import has_message
from campaign.web.downloads import name_file
from campaign.web.labels import offline_method_labels
from campaign.web.public import after_gift
from campaign.web.public.donor_access import has_begun, may_ask, may_change
from campaign.web.public.more_time import may_have_more_time
from campaign.web.public.typed_email import take_typed_email
from campaign.web.public.wall_choice import wall_of_gift
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("donation_page", __name__)
log = structlog.get_logger()

POLL_INTERVAL = timedelta(seconds=2)
# How long before a payment page ends the donor is warned.
TIME_WARNING = timedelta(minutes=5)


@bp.get("/<any(en,fr):language>/donations/<token>")
@access("public")
def page(language: str, token: str) -> ResponseReturnValue:
    """Show the donation. A return from Stripe without payment (`?return=cancel`) expires the checkout at Stripe and releases its hold."""
    donation = _load_donation(token)
    if request.args.get("return") == "cancel" and request.method == "GET":
        _cancel(donation)
        return redirect(url_for("donation_page.page", language=language, token=token), 303)
    campaign, status, gift = donation.campaign, status_of(donation), recurring_gift_of(donation)
    receipt = receipts.last_receipt_of(donation.id)
    return render_template(
        "donate/donation.html",
        state=status.state.value,
        is_waiting=status.state == Status.PENDING,
        is_cancelled=donation.cancelled_at is not None,
        is_closed=donation.closed_by is not None,
        must_verify=donation.unverified_at is not None and not donation.is_debit,
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        donation=donation,
        first_name=donation.first_name or donation.full_name,
        **_sums(donation, status, language),
        outcome=donation_timeline.match_outcome(donation_history.match_status(donation, status, language), language),
        received_at=_local_moment(campaign, donation.received_at, language),
        history=_timeline(donation, language),
        receipt=receipt,
        receipt_name=_receipt_name(donation, receipt, status),
        receipt_emailed_to=mask_email(donation.email) if receipt and donation.email and deliveries.sent_at(receipt.id) else "",
        receipt_status=receipts.status_of(receipt).value if receipt else "",
        is_annual=wants_annual_receipt(donation.donor_id),
        **_choices(donation),
        follows=awaited.awaiting_receipt_of(donation.id) is not None,
        **_missing(donation, status, language),
        receipt_url=url_for("receipt_page.pdf", language=language, token=token),
        proof_url=url_for("donation_page.proof", language=language, token=token) if status.matched_cents or status.held_cents else "",
        json_url=url_for("donation_page.data", language=language, token=token),
        again_url=url_for("campaigns.page", language=language, slug=campaign.slug, again=token),
        continue_url=donation.checkout_url,
        **_time_to_pay(donation, language),
        monthly_url=url_for("recurring_page.page", language=language, token=gift.token) if gift else "",
        next_month=_local_day(campaign, gift.next_payment_at, language) if gift and not gift.is_over else "",
        is_monthly_over=gift is not None and gift.is_over,
        offline=_offline(donation),
        **after_gift.values_of(donation, status, language),
        was_lost=reversals.kinds_in_effect(donation) == {ReversalKind.DISPUTE},
    )


def _choices(donation: Donation) -> dict[str, Any]:
    """What the donor agreed to, and what this browser may read and change."""
    return {
        "may_change": may_change(donation),
        "may_ask": may_ask(donation),
        "may_read": may_change(donation) or has_begun(donation),
        "has_message": has_message(),
        "typed_email": take_typed_email(),
        "wants_news": wants_news(donation.donor_id),
        "shares_message": shared_messages.find_of(donation) is not None,
        "wall": wall_of_gift(donation),
    }


def _time_to_pay(donation: Donation, language: str) -> dict[str, Any]:
    """Until when an unpaid gift can be paid, and whether that is soon; nothing for another one, or for a browser that did not begin it."""
    ends_at = donation.checkout_expires_at
    if ends_at is None or not donation.is_open or not donation.checkout_url or not has_begun(donation):
        return {"pay_until": ""}
    left = ends_at - datetime.now(UTC)
    return {
        "pay_until": format_time_with_zone(donation.campaign.charity.local(ends_at), language),
        "may_have_more_time": may_have_more_time(donation),
        "pay_until_iso": ends_at.isoformat(),
        "warns_seconds": int(TIME_WARNING.total_seconds()),
        "is_time_short": left < TIME_WARNING,
    }


def _offline(donation: Donation) -> dict[str, str]:
    """How and on which day a gift was received that was not paid through Stripe, and why it no longer counts as one; empty for any other."""
    gift = offline_gifts.find(donation.id)
    if gift is None or donation.received_at is None:
        return {}
    fell_through = offline_gifts.fell_through(donation.id)
    day = format_day(donation.campaign.charity.local(donation.received_at).date(), donation.language)
    method = offline_method_labels()[OfflineMethod(gift.method)]
    return {"method": method, "day": day, "fell_through": fell_through.kind if fell_through else ""}


def _receipt_name(donation: Donation, receipt: Receipt | None, status: DonationStatus) -> str:
    """The name that the receipt bears, or will bear; empty when there is to be none."""
    if receipt is not None and awaited.awaiting_receipt_of(donation.id) is None:
        return str(receipt.content["donor_name"])
    is_to_come = status.state in {Status.PENDING, Status.PROCESSING, Status.PAID, Status.PARTIALLY_REFUNDED}
    return donation.full_name if is_to_come else ""


def _missing(donation: Donation, status: DonationStatus, language: str) -> dict[str, object]:
    """What the receipt lacks, and the words of the declaration that it takes to be in the name of the organization."""
    is_due = donation.received_at is not None and awaited.is_due(donation)
    is_monthly = donation.recurring_gift_id is not None
    may_declare = is_due and bool(donation.organization) and not donation.lacks_details and not declarations.is_declared(donation)
    is_retained = status.state in {Status.PAID, Status.PARTIALLY_REFUNDED}
    return {
        "is_undeclared": is_retained and bool(donation.organization) and not donation.names.bears_organization,
        "lacks_details": is_due and donation.lacks_details,
        "lacks_declaration": is_due and completeness.lacks_declaration(donation),
        "declaration": words_on_page(donation.organization, language, is_monthly=is_monthly) if may_declare else "",
    }


def _sums(donation: Donation, status: DonationStatus, language: str) -> dict[str, str]:
    returned_cents = donation.charged_cents - reversals.retained_cents(donation) if donation.received_at else 0
    if fell_through := offline_gifts.fell_through(donation.id):
        returned_cents -= fell_through.cents  # Of that the donor got nothing back.
    return {
        "amount": money.format_money(donation.amount_cents, language),
        "returned": money.format_money(returned_cents, language) if returned_cents else "",
        "covered_fee": money.format_money(donation.covered_fee_cents, language) if donation.covered_fee_cents else "",
        "charged": money.format_money(donation.charged_cents, language),
        "matched": money.format_money(status.matched_cents, language) if status.matched_cents else "",
        "together": money.format_money(status.net_cents + status.matched_cents, language),
    }


def _timeline(donation: Donation, language: str) -> list[dict[str, str]]:
    charity = donation.campaign.charity
    return [
        {
            "at": format_minute(charity.local(moment.at), language),
            "iso": moment.at.isoformat(),
            "text": donation_timeline.describe(moment.event, language),
        }
        for moment in donation_history.public_history_of(donation, language)
    ]


def _local_moment(campaign: Campaign, moment: datetime | None, language: str) -> str:
    return format_minute(campaign.charity.local(moment), language, "long") if moment else ""


def _local_day(campaign: Campaign, moment: datetime | None, language: str) -> str:
    return format_day(campaign.charity.local(moment).date(), language) if moment else ""


def _cancel(donation: Donation) -> None:
    try:
        poll_checkout_jobs.cancel_checkout(donation)
    except (StripeUnavailable, StripeRefused) as error:  # The hold remains until Stripe reports that the payment can no longer happen.
        db.session.rollback()
        log.warning("checkout.not_cancelled", donation=donation.public_id, error=str(error)[:200])


@bp.get("/<any(en,fr):language>/donations/<token>.json")
@access("public")
def data(language: str, token: str) -> Response:
    """The donation as JSON (contract.md, section 4)."""
    donation = _load_donation(token)
    status = status_of(donation)
    receipt = receipts.last_receipt_of(donation.id)
    as_of: datetime = db.session.scalars(func.now().select()).one()
    payload: dict[str, Any] = {
        "state": status.state.value,
        "amount_cents": donation.amount_cents,
        "covered_fee_cents": donation.covered_fee_cents,
        "net_cents": status.net_cents,
        "matched_cents": status.matched_cents,
        "held_cents": status.held_cents,
        "receipt": {"serial": receipt.serial, "status": receipts.status_of(receipt).value} if receipt else None,
        "as_of": as_of.isoformat(),
    }
    return _private(jsonify(payload))


@bp.get("/<any(en,fr):language>/donations/<token>/proof.json")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def proof(language: str, token: str) -> Response:
    """The donation's entries in the ledger chains of its funds, with the data to verify them (docs/verify.md)."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    signed = proofs.signed_proof_of(donation, signing_key_for(donation.campaign_id))
    response = _private(Response(signed, mimetype="application/json"))
    return name_file(response, file_name(Document.PROOF, donation.public_id, language=language, extension="json"))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _load_donation(token: str) -> Donation:
    """The donation of this page; 404 for an unknown token. The checkout of an open donation is polled first, in case a webhook is late."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    if donation.is_open and donation.checkout_id and _reserve_poll(donation):
        try:
            poll_checkout_jobs.poll_checkout(donation)
        except (StripeUnavailable, StripeRefused) as error:
            db.session.rollback()
            log.warning("checkout.unknown", donation=donation.public_id, error=str(error)[:200])
    return donation


def _reserve_poll(donation: Donation) -> bool:
    """Whether this request may poll Stripe: at most one may in each POLL_INTERVAL."""
    d = Donation
    reserved = db.session.execute(
        update(d)
        .where(d.id == donation.id, or_(d.polled_at.is_(None), d.polled_at < func.now() - POLL_INTERVAL))
        .values(polled_at=func.now())
        .returning(d.id)
    ).first()
    db.session.commit()
    return reserved is not None
