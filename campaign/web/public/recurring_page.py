"""The donor's page of a recurring donation: its instalments, and changes of amount, card and end. The token in the URL grants access."""

from typing import Any

import structlog
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign, campaign_by_slug, current_campaign
from campaign.donations.donations import Donation
from campaign.donations.donors import wants_annual_receipt
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, StripeUnavailable
from campaign.operations import job_results
from campaign.operations.job_results import FailureReason
from campaign.payments.status import status_of
from campaign.recurring import recurring_actions
from campaign.recurring.recurring_gifts import RecurringGift, instalments_of, recurring_gift_by_token
from campaign.rules import money
from campaign.texts.dates import format_day
from campaign.web.labels import status_labels
from campaign.web.public.donor_access import may_change, require_access
from campaign.web.security import LINKS_PER_CLIENT, access, allow_redirect_to, limiter

bp = Blueprint("recurring_page", __name__)
log = structlog.get_logger()

# The name under which a refused key is reported for the pages of monthly gifts.
CHANGE_GIFT = "change_recurring_gift"

MAX_EMAIL_LENGTH = 254


@bp.get("/<any(en,fr):language>/monthly/<token>")
@access("public")
def page(language: str, token: str) -> ResponseReturnValue:
    """The status of the recurring donation, its instalments, and the forms to change it."""
    gift, first = _recurring_gift_or_404(token)
    campaign = first.campaign
    return render_template(
        "donate/recurring_page.html",
        gift=gift,
        token=token,
        title=campaign.title(language),
        campaign=campaign,
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        first_name=first.first_name or first.full_name,
        first_token=first.token,
        is_annual=wants_annual_receipt(first.donor_id),
        may_change=may_change(first),
        amount=money.format_money(gift.amount_cents, language),
        covered_fee=money.format_money(gift.covered_fee_cents, language) if gift.covered_fee_cents else "",
        is_wrong=bool(request.args.get("amount")),
        typed=request.args.get("amount", "")[:40] or money.format_decimal(gift.amount_cents).removesuffix(".00"),
        next_on=_day(gift.next_payment_at, campaign, language) if gift.next_payment_at else "",
        ended_on=_day(gift.ended_at, campaign, language) if gift.ended_at else "",
        cancels_on=_day(gift.cancels_at, campaign, language) if gift.cancels_at and not gift.ended_at else "",
        is_late=gift.status == "past_due",
        is_unpaid=gift.status == "unpaid",
        low=money.format_money_short(campaign.minimum_cents, language),
        high=money.format_money_short(campaign.maximum_cents, language),
        months=[_month(month, campaign, language) for month in instalments_of(gift)],
    )


def _recurring_gift_or_404(token: str) -> tuple[RecurringGift, Donation]:
    gift = recurring_gift_by_token(token)
    if gift is None:
        abort(404)
    return gift, db.session.get_one(Donation, gift.donation_id)


def _day(moment: Any, campaign: Campaign, language: str) -> str:
    return format_day(campaign.charity.local(moment).date(), language)


def _month(month: Donation, campaign: Campaign, language: str) -> dict[str, str]:
    now = status_of(month)
    return {
        "on": _day(month.received_at or month.started_at, campaign, language),
        "amount": money.format_money(month.amount_cents, language),
        "matched": money.format_money(now.matched_cents, language) if now.matched_cents else "–",
        "url": url_for("donation_page.page", language=language, token=month.token),
        "state": status_labels()[now.state],
    }


@bp.post("/<any(en,fr):language>/monthly/<token>/amount")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def change_amount(language: str, token: str) -> ResponseReturnValue:
    """Change the amount from the next instalment on; the covered fee changes in proportion."""
    gift, first = _recurring_gift_or_404(token)
    require_access(first)
    text = request.form.get("amount", "")[:40]
    campaign = first.campaign
    try:
        cents = money.parse(text, language)
    except money.InvalidMoney:
        flash(gettext("We could not read this amount. Please enter it like 50 or 1,234.56."), "error")
        return redirect(url_for("recurring_page.page", language=language, token=token, amount=text), 303)
    if not campaign.minimum_cents <= cents <= campaign.maximum_cents:
        low, high = (money.format_money_short(c, language) for c in (campaign.minimum_cents, campaign.maximum_cents))
        flash(gettext("Please choose an amount from %(low)s to %(high)s.", low=low, high=high), "error")
        return redirect(url_for("recurring_page.page", language=language, token=token, amount=text), 303)
    if cents == gift.amount_cents:
        flash(gettext("You already give this amount. Nothing has changed."))
    elif _run_at_stripe(lambda: recurring_actions.change_amount(gift, cents), campaign):
        flash(gettext("From next month on, you will give %(amount)s.", amount=money.format_money(gift.amount_cents, language)))
    return redirect(url_for("recurring_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/monthly/<token>/card")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def change_card(language: str, token: str) -> ResponseReturnValue:
    """Redirect to Stripe's customer portal, where the donor changes the card."""
    gift, first = _recurring_gift_or_404(token)
    require_access(first)
    return_url = services().links.recurring_page(language, token)
    portal_urls: list[str] = []
    if gift.customer and _run_at_stripe(
        lambda: portal_urls.append(recurring_actions.create_portal_session(gift, return_url)), first.campaign
    ):
        allow_redirect_to(portal_urls[0])
        return redirect(portal_urls[0], 303)
    return redirect(url_for("recurring_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/monthly/<token>/end")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def end(language: str, token: str) -> ResponseReturnValue:
    """Cancel the recurring donation."""
    gift, first = _recurring_gift_or_404(token)
    require_access(first)
    if _run_at_stripe(lambda: recurring_actions.cancel(gift), first.campaign):
        flash(gettext("Your monthly gift has ended. Nothing more will be charged. Thank you for everything you have given."))
    return redirect(url_for("recurring_page.page", language=language, token=token), 303)


def _run_at_stripe(action: Any, campaign: Campaign) -> bool:
    """Run the action; returns False, with a message to the donor, when Stripe refuses or is unavailable."""
    try:
        action()
    except (StripeUnavailable, StripeRefused) as error:
        db.session.rollback()
        log.warning("recurring.not_changed", error=str(error)[:200])
        if isinstance(error, StripeKeyRefused):
            job_results.record_failure(CHANGE_GIFT, FailureReason.KEY_REFUSED, str(error))
            db.session.commit()
        flash(
            gettext(
                "Nothing was changed: the payment service did not answer. Please try again in a minute, or write to %(email)s.",
                email=campaign.charity.email,
            ),
            "error",
        )
        return False
    job_results.record_recovery(CHANGE_GIFT)
    db.session.commit()
    return True


@bp.get("/<any(en,fr):language>/monthly")
@access("public")
def ask_for_link(language: str) -> ResponseReturnValue:
    """The form to request the link to a recurring donation."""
    campaign = campaign_by_slug(request.args.get("campaign", "")) or current_campaign()
    if campaign is None:
        abort(404)
    return render_template(
        "donate/recurring_link.html",
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        campaign=campaign,
    )


@bp.post("/<any(en,fr):language>/monthly")
@access("public")
@limiter.limit("10 per hour")
def send_link(language: str) -> ResponseReturnValue:
    """Send the links. The response is the same for every e-mail address, so that it reveals no donor."""
    recurring_actions.send_links(request.form.get("email", "")[:MAX_EMAIL_LENGTH])
    flash(gettext("If there is a monthly gift under this address, an email with its link is on its way."))
    return redirect(url_for("recurring_page.ask_for_link", language=language), 303)
