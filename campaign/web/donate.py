"""Beginning a donation and going to pay it; the donor's own page, with the official receipt."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import structlog
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, format_datetime, gettext
from sqlalchemy import func, or_, update
from werkzeug.datastructures import MultiDict

from campaign import jobs, owed
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.pdf import NotRendered
from campaign.edges.stripe_api import CheckoutLine, CheckoutOrder, StripeAway, StripeRefused
from campaign.giving import donations, receipts
from campaign.giving.campaigns import Campaign, campaign_named
from campaign.giving.donations import Donation, Gift, LessMatch, Standing, State, donation_by_token
from campaign.giving.funds import funds_of
from campaign.rules import money, wording
from campaign.web.campaigns import Notice, attempts, campaign_page, new_attempt
from campaign.web.forms import DonationForm
from campaign.web.security import DONATIONS_IN_ALL, DONATIONS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("donate", __name__)
log = structlog.get_logger()

ASK_STRIPE_AGAIN = timedelta(seconds=2)
RETRY_AFTER_SECONDS = "20"
FIELDS = 100
# What counts against one address is asking Stripe; a form that comes back with an error costs nobody a card.
GONE_TO_STRIPE = {303, 503}


@bp.post("/<any(en,fr):language>/<slug>/donations")
@access("public")
@csrf.exempt  # The form checks its own token, so that a stale one is an error above the form and nothing typed is lost.
@limiter.limit(DONATIONS_PER_CLIENT, deduct_when=lambda answer: answer.status_code in GONE_TO_STRIPE)
@limiter.limit(DONATIONS_IN_ALL, key_func=lambda: "all")
def begin(language: str, slug: str) -> ResponseReturnValue:
    """Hold the match, then send the donor to Stripe; or show the form again with what is wrong."""
    campaign = campaign_named(slug)
    if campaign is None:
        abort(404)
    form = DonationForm(campaign, language, formdata=_sent())
    form_is_good = form.validate()
    attempt = attempts().read(form.attempt.data)
    if not form_is_good or attempt is None:
        return _form_again(campaign, form, attempt, has_errors=not form_is_good)
    now = datetime.now(UTC)
    gift = form.gift()
    try:
        donation = donations.begin(
            campaign,
            gift,
            attempt=attempt,
            expected_match_cents=form.expected_match_cents(),
            livemode=outside().settings.stripe_livemode,
            now=now,
        )
        donations.plan_checkout(donation, now=now)
        db.session.commit()
    except LessMatch as less:
        db.session.rollback()
        return campaign_page(campaign, form, attempt=form.attempt.data, notice=_less(less, gift, language)), 409
    if _is_another_gift(donation, gift):
        return campaign_page(campaign, form, attempt=new_attempt(), notice=_another(donation)), 409
    return _to_payment(campaign, form, donation)


def _sent() -> MultiDict[str, str]:
    """The fields as they came. Bytes that are not UTF-8 become the sign for that, which the form refuses; Werkzeug would make other text of them."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return request.form
    try:
        pairs = parse_qsl(request.get_data().decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=FIELDS)
    except ValueError:
        abort(413)
    return MultiDict(pairs)


def _form_again(campaign: Campaign, form: DonationForm, attempt: str | None, *, has_errors: bool) -> ResponseReturnValue:
    notice = None
    if not has_errors:
        notice = Notice(
            kind="problem",
            title=gettext("Please press the button once more"),
            text=gettext("This page was open for a long time. Nothing has been charged and nothing you wrote is lost."),
        )
    return campaign_page(campaign, form, attempt=form.attempt.data if attempt else new_attempt(), notice=notice), 422


def _less(less: LessMatch, gift: Gift, language: str) -> Notice:
    return Notice(
        kind="change",
        title=gettext("Less of the matching is left than you were shown"),
        text=wording.quote(gift_cents=gift.amount_cents, match_cents=less.held_cents, full_cents=less.full_cents, language=language)
        + " "
        + gettext(
            "Others gave while you were writing. Nothing has been charged. Press the button to give all the same, or change the amount."
        ),
    )


def _is_another_gift(donation: Donation, gift: Gift) -> bool:
    typed = asdict(gift)
    del typed["news_consent"]
    return any(getattr(donation, name) != value for name, value in typed.items())


def _another(donation: Donation) -> Notice:
    return Notice(
        kind="change",
        title=gettext("A gift of %(amount)s is already under way", amount=money.written_short(donation.amount_cents, donation.language)),
        text=gettext(
            "This form began that gift, and you have changed it since. Press the button to begin a new one, or go back to the first."
        ),
        link=url_for("donate.own_page", language=donation.language, token=donation.token),
        link_text=gettext("Go to the first gift"),
    )


def _to_payment(campaign: Campaign, form: DonationForm, donation: Donation) -> ResponseReturnValue:
    """303 to Stripe; to the donor's own page when there is nothing left to pay; the form again when Stripe cannot be reached."""
    if not donation.is_open:
        return redirect(url_for("donate.own_page", language=donation.language, token=donation.token), 303)
    if donation.checkout_url is None:
        try:
            _open_checkout(campaign, donation)
        except StripeRefused as error:
            log.error("checkout.refused", donation=donation.public_id, error=type(error).__name__)
            return campaign_page(campaign, form, attempt=form.attempt.data, notice=_stripe_refused(campaign)), 422
        except StripeAway as error:
            log.error("checkout.not_opened", donation=donation.public_id, error=str(error)[:80])
            page = campaign_page(campaign, form, attempt=form.attempt.data, notice=_stripe_away(campaign))
            return page, 503, {"Retry-After": RETRY_AFTER_SECONDS}
    if donation.checkout_url is None:
        return redirect(url_for("donate.own_page", language=donation.language, token=donation.token), 303)
    return redirect(donation.checkout_url, 303)


def _open_checkout(campaign: Campaign, donation: Donation) -> None:
    """Ask Stripe with nothing locked; another press of the same attempt may have been quicker, and then its checkout is ours."""
    with force_locale(donation.language):
        order = _order(campaign, donation)
    db.session.commit()
    try:
        opened = outside().stripe.open_checkout(order)
    except StripeAway:
        db.session.refresh(donation)
        if donation.checkout_url is None:
            raise
        return
    donations.checkout_opened(donation, checkout_id=opened.id, url=opened.url)
    db.session.commit()


def _stripe_refused(campaign: Campaign) -> Notice:
    return Notice(
        kind="problem",
        title=gettext("The payment could not be opened"),
        text=gettext(
            "Nothing has been charged and nothing you wrote is lost. Please check your e-mail address; if it is right, write to %(email)s.",
            email=campaign.charity.email,
        ),
    )


def _stripe_away(campaign: Campaign) -> Notice:
    return Notice(
        kind="away",
        title=gettext("The payment service cannot be reached right now"),
        text=gettext(
            "Nothing has been charged and nothing you wrote is lost. Please press the button again in a minute. "
            "If it goes on, write to %(email)s.",
            email=campaign.charity.email,
        ),
    )


def _order(campaign: Campaign, donation: Donation) -> CheckoutOrder:
    title = campaign.title(donation.language)
    lines = [CheckoutLine(name=gettext("Gift – %(campaign)s", campaign=title), cents=donation.amount_cents)]
    if donation.covered_fee_cents:
        lines.append(CheckoutLine(name=gettext("Processing fee, covered by you"), cents=donation.covered_fee_cents))
    assert donation.checkout_expires_at is not None
    return CheckoutOrder(
        donation=donation.public_id,
        attempt_key=f"{donation.attempt}:{donation.checkout_tries}",
        currency=donation.currency,
        lines=lines,
        email=donation.email,
        language=donation.language,
        return_url=owed.page_url(donation),
        description=title,
        expires_at=donation.checkout_expires_at,
    )


@bp.get("/<any(en,fr):language>/donations/<token>")
@access("public")
def own_page(language: str, token: str) -> ResponseReturnValue:
    """The donor's own page: state, match, receipt."""
    donation = _own(token)
    campaign = donation.campaign
    now_standing = donations.standing(donation)
    receipt = receipts.receipt_of(donation.id)
    return render_template(
        "donate/donation.html",
        state=now_standing.state.value,
        is_waiting=now_standing.state == State.PENDING,
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        donation=donation,
        first_name=donation.first_name or donation.full_name,
        amount=money.written(donation.amount_cents, language),
        covered_fee=money.written(donation.covered_fee_cents, language) if donation.covered_fee_cents else "",
        charged=money.written(donation.charged_cents, language),
        matched=money.written(now_standing.matched_cents, language) if now_standing.matched_cents else "",
        together=money.written(now_standing.net_cents + now_standing.matched_cents, language),
        outcome=_outcome(donation, now_standing, language),
        paid_at=_local_moment(campaign, donation.paid_at),
        receipt=receipt,
        receipt_url=url_for("donate.receipt_pdf", language=language, token=token),
        json_url=url_for("donate.own_page_json", language=language, token=token),
        continue_url=donation.checkout_url,
    )


def _outcome(donation: Donation, now_standing: Standing, language: str) -> str:
    funds = funds_of(donation.campaign_id)
    return wording.outcome(
        gift_cents=now_standing.net_cents,
        held_cents=now_standing.held_cents,
        matched_cents=now_standing.matched_cents,
        fund_name=funds[0].name(language) if funds else "",
        language=language,
    )


def _local_moment(campaign: Campaign, moment: datetime | None) -> str:
    # The formatter would move the moment to its own zone: it is in the charity's already.
    return format_datetime(campaign.charity.local(moment), "long", rebase=False) if moment else ""


@bp.get("/<any(en,fr):language>/donations/<token>.json")
@access("public")
def own_page_json(language: str, token: str) -> Response:
    """The same as data (contract.md, section 4)."""
    donation = _own(token)
    now_standing = donations.standing(donation)
    receipt = receipts.receipt_of(donation.id)
    as_of: datetime = db.session.scalars(func.now().select()).one()
    found: dict[str, Any] = {
        "state": now_standing.state.value,
        "amount_cents": donation.amount_cents,
        "covered_fee_cents": donation.covered_fee_cents,
        "net_cents": now_standing.net_cents,
        "matched_cents": now_standing.matched_cents,
        "held_cents": now_standing.held_cents,
        "receipt": {"serial": receipt.serial, "status": "valid"} if receipt else None,
        "as_of": as_of.isoformat(),
    }
    answer = jsonify(found)
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _own(token: str) -> Donation:
    """The donation of this page, asked about at Stripe when it is open and no webhook has told us."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    if donation.is_open and donation.checkout_id and _may_ask(donation):
        try:
            jobs.ask_stripe(donation)
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


@bp.get("/<any(en,fr):language>/donations/<token>/receipt.pdf")
@access("public")
def receipt_pdf(language: str, token: str) -> ResponseReturnValue:
    """The official receipt, byte for byte the one that was mailed. Looking at it issues nothing."""
    donation = donation_by_token(token)
    receipt = receipts.receipt_of(donation.id) if donation else None
    if donation is None or receipt is None:
        abort(404)
    try:
        document = owed.receipt_document(receipt, donation)
    except NotRendered as error:
        log.error("receipt.not_rendered", serial=receipt.serial, error=str(error)[:200])
        abort(503)
    answer = Response(document, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'inline; filename="{receipt.file_name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
