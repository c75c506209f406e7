"""The campaign page: story, progress and the form; and what a gift of some sum would become, for the form to say before paying."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.giving.campaigns import Campaign, campaign_named, default_campaign
from campaign.giving.donations import Donation, donation_by_token
from campaign.giving.funds import funds_of
from campaign.reporting.totals import Totals, match_state, totals_of
from campaign.rules import money, wording
from campaign.rules.matching import Limit, Offer, Wish, allocate, finishing_gift, limit_of, total
from campaign.rules.wording import MatchState, Quote
from campaign.web.forms import Attempts, DonationForm
from campaign.web.languages import spoken
from campaign.web.person_form import provinces
from campaign.web.security import access

bp = Blueprint("campaigns", __name__)

MILESTONE_PARTS = 20
TYPED = (
    *("first_name", "last_name", "organization", "email", "address_line1", "address_line2", "city", "province", "postal_code", "country"),
    *("public_name", "anonymous", "tribute_kind", "tribute_name", "message", "frequency"),
)


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


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What can be held for one donor, when that is not what anybody would be quoted."""

    match_cents: int
    limit: Limit | None


@dataclass(frozen=True, kw_only=True)
class _Funds:
    """The campaign's funds as they stand at this moment: what they offer, and what is said of it."""

    state: MatchState
    offers: list[Offer]
    now: datetime

    @property
    def open_offers(self) -> list[Offer]:
        """What a gift could draw on now."""
        return [] if self.state.is_healing else self.offers


@bp.get("/<any(en,fr):language>/<slug>")
@access("public")
def page(language: str, slug: str) -> ResponseReturnValue:
    """The campaign, with an empty form, the amount asked for in the address, or what was typed for a gift that was not completed."""
    campaign = _campaign(slug)
    again = donation_by_token(request.args["again"]) if "again" in request.args else None
    typed = _typed(again, language) if again else {"amount": request.args.get("amount", "")[:40]}
    return campaign_page(campaign, DonationForm(campaign, language, formdata=None, **typed), attempt=new_attempt())


def _typed(donation: Donation, language: str) -> dict[str, Any]:
    """What a donor wrote for an earlier gift, for the form; whoever has the address of its page may read it there."""
    kept = {name: getattr(donation, name) for name in TYPED}
    return {**kept, "amount": _as_typed(donation.amount_cents, language), "cover_fee": donation.covered_fee_cents > 0}


def _as_typed(cents: int, language: str) -> str:
    plain = money.decimal(cents).removesuffix(".00")
    return plain.replace(".", ",") if language == "fr" else plain


@bp.get("/<any(en,fr):language>/<slug>/quote")
@access("public")
def quote(language: str, slug: str) -> Response:
    """What a gift of `amount` would become now, and where the match stands: the words, and the sums behind them."""
    campaign = _campaign(slug)
    funds = _funds(campaign, language)
    totals = totals_of(slug)
    assert totals is not None
    found = _quote(campaign, funds, request.args.get("amount", "")[:40], language)
    answer = jsonify(
        **found,
        claim=wording.campaign_claim(funds.state, language),
        held_while_paying=wording.held_while_paying(funds.state, language),
        progress=render_template("donate/progress.html", progress=_progress(totals, funds.state, language)),
        presets=render_template("donate/presets.html", presets=_presets(campaign, funds, language), chosen=""),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def campaign_page(
    campaign: Campaign, form: DonationForm, *, attempt: str, notice: Notice | None = None, promise: Promise | None = None
) -> str:
    """The whole page around a form that is empty, or comes back with what was typed and what is wrong with it."""
    language = form.language
    totals = totals_of(campaign.slug)
    assert totals is not None
    funds = _funds(campaign, language)
    quoted = _quote(campaign, funds, form.amount.data or "", language, promise=promise)
    return render_template(
        "donate/campaign.html",
        campaign=campaign,
        title=campaign.title(language),
        lead=campaign.lead(language),
        story=campaign.story(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        claim=wording.campaign_claim(funds.state, language),
        how_it_works=wording.how_it_works(funds.state, language),
        held_while_paying=wording.held_while_paying(funds.state, language),
        each_month=wording.each_month(funds.state, language),
        progress=_progress(totals, funds.state, language),
        form=form,
        errors=form.all_errors(),
        attempt=attempt,
        quoted=quoted,
        expected_match="" if quoted["match_cents"] is None else quoted["match_cents"],
        is_for_this_donor=promise is not None,
        presets=_presets(campaign, funds, language),
        chosen=form.amount.data,
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


def _funds(campaign: Campaign, language: str) -> _Funds:
    now = datetime.now(UTC)
    funds = funds_of(campaign.id)
    return _Funds(state=match_state(campaign, funds, language, now=now), offers=[fund.offer() for fund in funds], now=now)


def _quote(campaign: Campaign, funds: _Funds, text: str, language: str, *, promise: Promise | None = None) -> dict[str, Any]:
    try:
        cents = money.parse(text, language)
    except money.NotMoney:
        cents = 0
    if not campaign.minimum_cents <= cents <= campaign.maximum_cents:
        return {"quote": "", "match_cents": None, "fee": "", "button": gettext("Continue to payment")}
    promise = promise or promise_to(cents, funds)
    quoted = Quote(
        gift_cents=cents,
        match_cents=promise.match_cents,
        limit=promise.limit,
        fund=funds.state.giving or next(iter(funds.state.funds), None),
        holds=funds.state.holds,
    )
    fee = money.fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
    return {
        "quote": wording.quote(quoted, language) if funds.state.funds else "",
        "match_cents": promise.match_cents,
        "fee": money.written(fee, language),
        "button": gettext("Give %(amount)s", amount=money.written_short(cents, language)),
    }


def promise_to(cents: int, funds: _Funds) -> Promise:
    """What anybody's gift of this sum would be matched with now, and why it is not more."""
    wish = Wish(gift_cents=cents, amount_cents=cents, at=funds.now)
    if funds.state.is_healing:
        return Promise(match_cents=0, limit=Limit.EARLIER_GIFTS)
    return Promise(match_cents=total(allocate(wish, funds.offers)), limit=limit_of(wish, funds.offers))


def _presets(campaign: Campaign, funds: _Funds, language: str) -> list[dict[str, Any]]:
    presets = [_preset(cents, funds, language) for cents in campaign.presets_cents]
    finish = finishing_gift(funds.open_offers, at=funds.now)
    if finish and campaign.minimum_cents <= finish <= max(campaign.presets_cents) and finish not in campaign.presets_cents:
        last = _preset(finish, funds, language)
        presets.append({**last, "label": wording.finishing(finish, language), "is_finish": True})
    return presets


def _preset(cents: int, funds: _Funds, language: str) -> dict[str, Any]:
    becomes = cents + promise_to(cents, funds).match_cents
    return {
        "value": _as_typed(cents, language),
        "label": money.written_short(cents, language),
        "becomes": money.written_short(becomes, language) if becomes > cents else "",
        "is_finish": False,
    }


def _progress(totals: Totals, state: MatchState, language: str) -> dict[str, Any]:
    """Sums ready to show, and the bar's parts in thousandths of the goal."""
    goal, raised = totals.goal_cents, totals.raised_cents
    given = min(1000, totals.donated_cents * 1000 // goal)
    return {
        "given": money.written_short(totals.donated_cents, language),
        "matched": money.written_short(totals.matched_cents, language),
        "raised": money.written_short(raised, language),
        "goal": money.written_short(goal, language),
        "left": money.written_short(state.left_cents, language),
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
