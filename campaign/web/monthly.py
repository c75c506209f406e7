"""The donor's page about a monthly gift: the months given, and how to change the sum, the card, or stop. Its address is its key."""

from typing import Any

import structlog
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.giving.donations import Donation
from campaign.giving.donors import wants_yearly
from campaign.giving.monthly import MonthlyGift, monthly_gift_by_token, months_of
from campaign.giving.standing import standing
from campaign.rules import money
from campaign.web.security import LINKS_PER_CLIENT, access, limiter
from campaign.web.states import state_words
from campaign.work import keeping_monthly

bp = Blueprint("monthly", __name__)
log = structlog.get_logger()

LONGEST_EMAIL = 254


@bp.get("/<any(en,fr):language>/monthly/<token>")
@access("public")
def page(language: str, token: str) -> ResponseReturnValue:
    """How the gift stands, each month that was given, and what can be changed."""
    gift, first = _own(token)
    campaign = first.campaign
    return render_template(
        "donate/monthly.html",
        gift=gift,
        token=token,
        title=campaign.title(language),
        campaign=campaign,
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        first_name=first.first_name or first.full_name,
        first_token=first.token,
        is_yearly=wants_yearly(first.donor_id),
        amount=money.written(gift.amount_cents, language),
        covered_fee=money.written(gift.covered_fee_cents, language) if gift.covered_fee_cents else "",
        typed=request.args.get("amount", "")[:40] or money.decimal(gift.amount_cents).removesuffix(".00"),
        next_on=_day(gift.next_at, campaign) if gift.next_at else "",
        ended_on=_day(gift.ended_at, campaign) if gift.ended_at else "",
        is_late=gift.status == "past_due",
        low=money.written_short(campaign.minimum_cents, language),
        high=money.written_short(campaign.maximum_cents, language),
        months=[_month(month, campaign, language) for month in months_of(gift)],
    )


def _own(token: str) -> tuple[MonthlyGift, Donation]:
    gift = monthly_gift_by_token(token)
    if gift is None:
        abort(404)
    return gift, db.session.get_one(Donation, gift.donation_id)


def _day(moment: Any, campaign: Campaign) -> str:
    return str(format_date(campaign.charity.local(moment).date(), "long"))


def _month(month: Donation, campaign: Campaign, language: str) -> dict[str, str]:
    now = standing(month)
    return {
        "on": _day(month.paid_at or month.begun_at, campaign),
        "amount": money.written(month.amount_cents, language),
        "matched": money.written(now.matched_cents, language) if now.matched_cents else "–",
        "url": url_for("own_page.page", language=language, token=month.token),
        "state": state_words()[now.state],
    }


@bp.post("/<any(en,fr):language>/monthly/<token>/amount")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def change_amount(language: str, token: str) -> ResponseReturnValue:
    """Another sum from the next month on, with the covered fee in proportion to it."""
    gift, first = _own(token)
    text = request.form.get("amount", "")[:40]
    campaign = first.campaign
    try:
        cents = money.parse(text, language)
    except money.NotMoney:
        flash(gettext("We could not read this amount. Please write it like 50 or 1,234.56."), "error")
        return redirect(url_for("monthly.page", language=language, token=token, amount=text), 303)
    if not campaign.minimum_cents <= cents <= campaign.maximum_cents:
        low, high = (money.written_short(c, language) for c in (campaign.minimum_cents, campaign.maximum_cents))
        flash(gettext("Please choose a sum from %(low)s to %(high)s.", low=low, high=high), "error")
        return redirect(url_for("monthly.page", language=language, token=token, amount=text), 303)
    if _done(lambda: keeping_monthly.change_amount(gift, cents), campaign):
        flash(gettext("From the next month on you give %(amount)s.", amount=money.written(gift.amount_cents, language)))
    return redirect(url_for("monthly.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/monthly/<token>/card")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def change_card(language: str, token: str) -> ResponseReturnValue:
    """To Stripe's page for the donor's card; we never see it."""
    gift, first = _own(token)
    back = url_for("monthly.page", language=language, token=token)
    found: list[str] = []
    if gift.customer and _done(lambda: found.append(keeping_monthly.portal(gift, f"{outside().settings.base_url}{back}")), first.campaign):
        return redirect(found[0], 303)
    return redirect(back, 303)


@bp.post("/<any(en,fr):language>/monthly/<token>/end")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def end(language: str, token: str) -> ResponseReturnValue:
    """No further month."""
    gift, first = _own(token)
    if _done(lambda: keeping_monthly.stop(gift), first.campaign):
        flash(gettext("Your monthly gift has ended. Nothing more will be charged. Thank you for all you have given."))
    return redirect(url_for("monthly.page", language=language, token=token), 303)


def _done(act: Any, campaign: Campaign) -> bool:
    """Whether Stripe did it; else what to do is said."""
    try:
        act()
    except (StripeAway, StripeRefused) as error:
        db.session.rollback()
        log.warning("monthly.not_changed", error=str(error)[:200])
        flash(
            gettext(
                "Nothing was changed: the payment service did not answer. Please try again in a minute, or write to %(email)s.",
                email=campaign.charity.email,
            ),
            "error",
        )
        return False
    return True


@bp.get("/<any(en,fr):language>/monthly")
@access("public")
def ask_for_link(language: str) -> ResponseReturnValue:
    """For whoever has lost the address of their page."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    return render_template(
        "donate/monthly_link.html",
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        campaign=campaign,
    )


@bp.post("/<any(en,fr):language>/monthly")
@access("public")
@limiter.limit("10 per hour")
def send_link(language: str) -> ResponseReturnValue:
    """The same answer for every address, whether it gives or not."""
    keeping_monthly.send_links(request.form.get("email", "")[:LONGEST_EMAIL])
    flash(gettext("If a monthly gift goes on under this address, a mail with the link to it is on its way."))
    return redirect(url_for("monthly.ask_for_link", language=language), 303)
