"""Where a donor withdraws their consent to news: by the link in our emails, by one click in a mail program (RFC 8058), or on their own page."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.donations import news_actions
from campaign.donations.donations import donation_by_token
from campaign.donations.news_withdrawals import WithdrawnBy, donation_by_news_token, wants_news
from campaign.web.public.donor_access import require_access
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("news_page", __name__)


@bp.route("/<any(en,fr):language>/news/<token>", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # A mail program posts without a page; all that it can do is end emails.
@limiter.limit(LINKS_PER_CLIENT)
def withdraw(language: str, token: str) -> ResponseReturnValue:
    """Ask, and withdraw. Opening the link changes nothing, as programs that scan emails do that too."""
    donation = donation_by_news_token(token)
    if donation is None:
        abort(404)
    is_done = False
    if request.method == "POST":
        is_one_click = request.form.get("List-Unsubscribe") == "One-Click"
        news_actions.withdraw(donation, how=WithdrawnBy.ONE_CLICK if is_one_click else WithdrawnBy.LINK)
        is_done = True
    charity = donation.campaign.charity
    return render_template(
        "donate/news.html",
        is_done=is_done or not wants_news(donation.donor_id),
        title=donation.campaign.title(language),
        campaign=donation.campaign,
        charity=charity,
        charity_name=charity.name(language),
    )


@bp.post("/<any(en,fr):language>/donations/<token>/news")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def withdraw_on_page(language: str, token: str) -> ResponseReturnValue:
    """Withdraw on the donor's page, for a browser that may change something."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    require_access(donation)
    news_actions.withdraw(donation, how=WithdrawnBy.PAGE)
    flash(gettext("You will get no more news from us. You will still get receipts."))
    return redirect(url_for("donation_page.page", language=language, token=token), 303)
