"""The campaign page: story, progress and the form; and what a gift of some sum would become, for the form to say before paying."""

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.giving.campaigns import Campaign, campaign_named, default_campaign
from campaign.giving.funds import Fund, funds_of
from campaign.reporting.totals import Totals, match_state, totals_of
from campaign.rules import money, wording
from campaign.rules.matching import allocate, full_match, total
from campaign.web.forms import Attempts, DonationForm, provinces
from campaign.web.languages import spoken
from campaign.web.security import access

bp = Blueprint("campaigns", __name__)

MILESTONE_PARTS = 20


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something to say above the form, before the donor reads on: `kind` is problem, change or away."""

    kind: str
    title: str
    text: str
    link: str = ""
    link_text: str = ""


@bp.get("/")
@access("public")
def home() -> ResponseReturnValue:
    """To the default campaign in the visitor's language."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    answer = redirect(url_for("campaigns.page", language=spoken(), slug=campaign.slug))
    answer.vary.add("Accept-Language")
    return answer


@bp.get("/<any(en,fr):language>/<slug>")
@access("public")
def page(language: str, slug: str) -> ResponseReturnValue:
    """The campaign, with an empty form or the amount asked for in the address."""
    campaign = _campaign(slug)
    form = DonationForm(campaign, language, formdata=None, amount=request.args.get("amount", "")[:40])
    return campaign_page(campaign, form, attempt=new_attempt())


@bp.get("/<any(en,fr):language>/<slug>/quote")
@access("public")
def quote(language: str, slug: str) -> Response:
    """What a gift of `amount` would become now: the words, and the sums behind them."""
    campaign = _campaign(slug)
    answer = jsonify(_quote(campaign, funds_of(campaign.id), request.args.get("amount", "")[:40], language))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def campaign_page(campaign: Campaign, form: DonationForm, *, attempt: str, notice: Notice | None = None) -> str:
    """The whole page around a form that is empty, or comes back with what was typed and what is wrong with it."""
    language = form.language
    totals = totals_of(campaign.slug)
    assert totals is not None
    funds = funds_of(campaign.id)
    state = match_state(funds, language)
    quoted = _quote(campaign, funds, form.amount.data or "", language)
    return render_template(
        "donate/campaign.html",
        campaign=campaign,
        title=campaign.title(language),
        lead=campaign.lead(language),
        story=campaign.story(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        claim=wording.campaign_claim(state, language),
        held_while_paying=wording.held_while_paying(state, language),
        progress=_progress(totals, language),
        form=form,
        errors=form.all_errors(),
        attempt=attempt,
        quoted=quoted,
        expected_match="" if quoted["match_cents"] is None else quoted["match_cents"],
        presets=_presets(campaign, funds, language),
        provinces=provinces(language),
        minimum=money.written_short(campaign.minimum_cents, language),
        maximum=money.written_short(campaign.maximum_cents, language),
        notice=notice,
    )


def new_attempt() -> str:
    """A signed attempt for a fresh form."""
    return attempts().new(secrets.token_urlsafe(18))


def attempts() -> Attempts:
    """The signer of this app."""
    return Attempts(current_app.config["SECRET_KEY"])


def _campaign(slug: str) -> Campaign:
    campaign = campaign_named(slug)
    if campaign is None:
        abort(404)
    return campaign


def _quote(campaign: Campaign, funds: list[Fund], text: str, language: str) -> dict[str, Any]:
    try:
        cents = money.parse(text, language)
    except money.NotMoney:
        cents = 0
    if not campaign.minimum_cents <= cents <= campaign.maximum_cents:
        return {"quote": "", "match_cents": None, "fee": "", "button": gettext("Continue to payment")}
    match = total(allocate(cents, [fund.offer() for fund in funds]))
    full = full_match(cents, [fund.ratio for fund in funds])
    fee = money.fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
    return {
        "quote": wording.quote(gift_cents=cents, match_cents=match, full_cents=full, language=language) if funds else "",
        "match_cents": match,
        "fee": money.written(fee, language),
        "button": gettext("Give %(amount)s", amount=money.written_short(cents, language)),
    }


def _presets(campaign: Campaign, funds: list[Fund], language: str) -> list[dict[str, str]]:
    offers = [fund.offer() for fund in funds]
    return [
        {
            "value": money.decimal(cents).removesuffix(".00"),
            "label": money.written_short(cents, language),
            "becomes": money.written_short(cents + total(allocate(cents, offers)), language),
        }
        for cents in campaign.presets_cents
    ]


def _progress(totals: Totals, language: str) -> dict[str, Any]:
    """Sums ready to show, and the bar's parts in thousandths of the goal."""
    goal, raised = totals.goal_cents, totals.raised_cents
    given = min(1000, totals.donated_cents * 1000 // goal)
    return {
        "given": money.written_short(totals.donated_cents, language),
        "matched": money.written_short(totals.matched_cents, language),
        "raised": money.written_short(raised, language),
        "goal": money.written_short(goal, language),
        "left": money.written_short(totals.available_cents, language),
        "pledged": money.written_short(totals.pledged_cents, language),
        "has_fund": totals.pledged_cents > 0,
        "donations": totals.donations,
        "donors": totals.donors,
        "given_parts": given,
        "matched_parts": min(1000 - given, totals.matched_cents * 1000 // goal),
        "percent": min(100, raised * 100 // goal),
        # A nearly empty bar lowers giving: until a twentieth is reached the sums speak for themselves.
        "has_bar": raised * MILESTONE_PARTS >= goal,
    }
