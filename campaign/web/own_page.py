"""The donor's own page: where the gift stands, its match and how it came to that, the official receipt, the proof in the books."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime
from sqlalchemy import func, or_, update

from campaign.edges.db import db
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving import receipts
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation, donation_by_token
from campaign.giving.donors import wants_yearly
from campaign.giving.monthly import monthly_gift_of
from campaign.giving.standing import Standing, State, standing
from campaign.reporting import lives, proofs
from campaign.rules import match_of_a_gift, money
from campaign.web.security import LINKS_PER_CLIENT, access, limiter
from campaign.work import asking, composing

bp = Blueprint("own_page", __name__)
log = structlog.get_logger()

ASK_STRIPE_AGAIN = timedelta(seconds=2)


@bp.get("/<any(en,fr):language>/donations/<token>")
@access("public")
def page(language: str, token: str) -> ResponseReturnValue:
    """State, match, receipt. Coming back from Stripe without paying ends the checkout there and frees what it held."""
    donation = _own(token)
    if request.args.get("return") == "cancel" and request.method == "GET":
        _cancel(donation)
        return redirect(url_for("own_page.page", language=language, token=token), 303)
    campaign, now = donation.campaign, standing(donation)
    receipt = receipts.last_receipt_of(donation.id)
    return render_template(
        "donate/donation.html",
        state=now.state.value,
        is_waiting=now.state == State.PENDING,
        is_cancelled=donation.cancelled_at is not None,
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        donation=donation,
        first_name=donation.first_name or donation.full_name,
        **_sums(donation, now, language),
        outcome=match_of_a_gift.outcome(lives.match_now(donation, now, language), language),
        paid_at=_local_moment(campaign, donation.paid_at),
        life=_life(donation, language),
        receipt=receipt,
        receipt_status=receipts.status_of(receipt).value if receipt else "",
        is_yearly=wants_yearly(donation.donor_id),
        lacks_details=donation.paid_at is not None and receipt is None and composing.lacks_details(donation),
        receipt_url=url_for("own_receipt.pdf", language=language, token=token),
        proof_url=url_for("own_page.proof", language=language, token=token) if now.matched_cents or now.held_cents else "",
        json_url=url_for("own_page.data", language=language, token=token),
        again_url=url_for("campaigns.page", language=language, slug=campaign.slug, again=token),
        continue_url=donation.checkout_url,
        monthly_url=url_for("monthly.page", language=language, token=gift.token) if (gift := monthly_gift_of(donation)) else "",
    )


def _sums(donation: Donation, now: Standing, language: str) -> dict[str, str]:
    is_returned = donation.paid_at is not None and now.net_cents < donation.amount_cents
    return {
        "amount": money.written(donation.amount_cents, language),
        "returned": money.written(donation.amount_cents - now.net_cents, language) if is_returned else "",
        "covered_fee": money.written(donation.covered_fee_cents, language) if donation.covered_fee_cents else "",
        "charged": money.written(donation.charged_cents, language),
        "matched": money.written(now.matched_cents, language) if now.matched_cents else "",
        "together": money.written(now.net_cents + now.matched_cents, language),
    }


def _life(donation: Donation, language: str) -> list[dict[str, str]]:
    charity = donation.campaign.charity
    return [
        {
            "at": format_datetime(charity.local(moment.at), "medium", rebase=False),
            "iso": moment.at.isoformat(),
            "told": match_of_a_gift.told(moment.life, language),
        }
        for moment in lives.of_match(donation, language)
    ]


def _local_moment(campaign: Campaign, moment: datetime | None) -> str:
    # The formatter would move the moment to its own zone: it is in the charity's already.
    return format_datetime(campaign.charity.local(moment), "long", rebase=False) if moment else ""


def _cancel(donation: Donation) -> None:
    try:
        asking.cancel(donation)
    except (StripeAway, StripeRefused) as error:  # The hold stays until Stripe says that the payment can no longer happen.
        db.session.rollback()
        log.warning("checkout.not_cancelled", donation=donation.public_id, error=str(error)[:200])


@bp.get("/<any(en,fr):language>/donations/<token>.json")
@access("public")
def data(language: str, token: str) -> Response:
    """The same as data (contract.md, section 4)."""
    donation = _own(token)
    now = standing(donation)
    receipt = receipts.last_receipt_of(donation.id)
    as_of: datetime = db.session.scalars(func.now().select()).one()
    found: dict[str, Any] = {
        "state": now.state.value,
        "amount_cents": donation.amount_cents,
        "covered_fee_cents": donation.covered_fee_cents,
        "net_cents": now.net_cents,
        "matched_cents": now.matched_cents,
        "held_cents": now.held_cents,
        "receipt": {"serial": receipt.serial, "status": receipts.status_of(receipt).value} if receipt else None,
        "as_of": as_of.isoformat(),
    }
    return _private(jsonify(found))


@bp.get("/<any(en,fr):language>/donations/<token>/proof.json")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def proof(language: str, token: str) -> Response:
    """This gift's lines in the chains of its funds, with what is needed to check them and nothing of anybody else (docs/verify.md)."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    answer = _private(jsonify(proofs.proof_of(donation)))
    answer.headers["Content-Disposition"] = f'attachment; filename="proof-{donation.public_id}.json"'
    return answer


def _private(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _own(token: str) -> Donation:
    """The donation of this page, asked about at Stripe when it is open and no webhook has told us."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    if donation.is_open and donation.checkout_id and _may_ask(donation):
        try:
            asking.ask_stripe(donation)
        except (StripeAway, StripeRefused) as error:
            db.session.rollback()
            log.warning("checkout.unknown", donation=donation.public_id, error=str(error)[:200])
    return donation


def _may_ask(donation: Donation) -> bool:
    """Whether nobody has asked just now: many reloads of one page are one question."""
    d = Donation
    asked = db.session.execute(
        update(d)
        .where(d.id == donation.id, or_(d.asked_stripe_at.is_(None), d.asked_stripe_at < func.now() - ASK_STRIPE_AGAIN))
        .values(asked_stripe_at=func.now())
        .returning(d.id)
    ).first()
    db.session.commit()
    return asked is not None
