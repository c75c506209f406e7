"""The campaign page: story, progress and the donation form; and quotes, which tell the form what match an amount would get."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign, default_campaign, public_campaign
from campaign.campaigns.pictures import find_picture
from campaign.donations.donations import Donation, donation_by_token
from campaign.matching.funds import funds_of
from campaign.matching.session import HoldQuote
from campaign.payments import unpaid_holds
from campaign.reporting.totals import Totals, match_state, no_totals, totals_of
from campaign.rules import money
from campaign.rules.allocation import Limit, MatchRequest, Offer, allocate, finishing_donation, limit_of, total
from campaign.rules.hold_bounds import FundBalance, HoldBounds, UnpaidHolds, holdable
from campaign.texts import match_copy, match_quote
from campaign.texts.match_copy import MatchState
from campaign.texts.match_quote import Quote
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.networks import client_key
from campaign.web.public import donor_access, human_check, shared_head
from campaign.web.public.address_form import provinces
from campaign.web.public.donation_form import DonationForm, attempts, new_attempt
from campaign.web.public.page_notice import Notice
from campaign.web.public.preview_notice import PreviewNotice
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("campaigns", __name__)

MILESTONE_PARTS = 20
TYPED = (
    *("first_name", "last_name", "organization", "email", "address_line1", "address_line2", "city", "province", "postal_code", "country"),
    *("public_name", "anonymous", "tribute_kind", "tribute_name", "message", "frequency"),
)

# Of an earlier donation, what its link alone may show.
NOT_PERSONAL = ("amount", "frequency", "cover_fee")


@bp.get("/")
@bp.get("/<any(en,fr):language>/")
@access("public")
def home(language: str = "") -> ResponseReturnValue:
    """Redirect to the default campaign in this language, or in the visitor's."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    response = redirect(url_for("campaigns.page", language=language or current_language(), slug=campaign.slug))
    response.vary.add("Accept-Language")
    return response


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The match that can be held before payment, what is added when the payment arrives, and what keeps the sum below the full match."""

    match_cents: int
    later_cents: int
    limit: Limit | None

    @classmethod
    def of(cls, quote: HoldQuote) -> "Promise":
        """The promise that a quote allows."""
        return cls(match_cents=quote.held_cents, later_cents=quote.later_cents, limit=quote.limit)


@dataclass(frozen=True, kw_only=True)
class _Funds:
    """The campaign's funds at one moment: their offers, and their state for the texts."""

    state: MatchState
    offers: list[Offer]
    balances: dict[int, FundBalance]
    network: UnpaidHolds
    now: datetime

    @property
    def open_offers(self) -> list[Offer]:
        """The offers that a donation could be matched from now: none while earlier donations are rematched."""
        return [] if self.state.is_rematching else self.offers


@bp.get("/<any(en,fr):language>/<slug>")
@access("public")
def page(language: str, slug: str) -> ResponseReturnValue:
    """The campaign page. `?amount=` prefills the amount; `?again=` prefills the form from an earlier donation, by its token.

    What is personal is filled in for the browser that began the donation, and for one that may change it.
    """
    campaign = _campaign_by_slug_or_404(slug)
    again = donation_by_token(request.args["again"]) if "again" in request.args else None
    typed = _typed(again, language) if again else {"amount": request.args.get("amount", "")[:40]}
    if again and not donor_access.has_begun(again) and not donor_access.may_change(again):
        typed = {name: typed[name] for name in NOT_PERSONAL}
    return campaign_page(campaign, DonationForm(campaign, language, formdata=None, **typed), attempt=new_attempt())


def _typed(donation: Donation, language: str) -> dict[str, Any]:
    """The form fields of an earlier donation."""
    typed = {name: getattr(donation, name) for name in TYPED}
    return {**typed, "amount": _as_typed(donation.amount_cents, language), "cover_fee": donation.covered_fee_cents > 0}


def _as_typed(cents: int, language: str) -> str:
    return money.format_typed(cents, language)


@bp.post("/<any(en,fr):language>/<slug>")
@access("public")
@csrf.exempt  # It changes nothing: it shows what was typed.
@limiter.limit(LINKS_PER_CLIENT)
def in_another_language(language: str, slug: str) -> ResponseReturnValue:
    """The page in the language that the donor chose while writing, with what was typed and not yet checked."""
    campaign = _campaign_by_slug_or_404(slug)
    form = DonationForm(campaign, language)
    (typed_in,) = set(LANGUAGES) - {language}
    with suppress(money.InvalidMoney):
        form.amount.data = money.format_typed(money.parse(form.amount.data or "", typed_in), language)
    is_known = attempts().read(form.attempt.data) is not None
    return campaign_page(campaign, form, attempt=str(form.attempt.data) if is_known else new_attempt())


@bp.get("/<any(en,fr):language>/<slug>/quote")
@access("public")
def quote(language: str, slug: str) -> Response:
    """The match that a donation of `amount` would get now, and the state of the match, as texts, amounts and HTML fragments."""
    campaign = _campaign_by_slug_or_404(slug)
    funds = _funds(campaign, language)
    totals = totals_of(slug) or no_totals(campaign)
    quoted = _quote(campaign, funds, request.args.get("amount", "")[:40], language)
    response = jsonify(
        **quoted,
        claim=match_copy.campaign_claim(funds.state, language),
        held_while_paying=match_copy.hold_promise(funds.state, language),
        proof_bits=human_check.proof_bits(),
        progress=render_template("donate/progress.html", progress=_progress(totals, funds.state, language)),
        presets=render_template("donate/presets.html", presets=_presets(campaign, funds, language), chosen=""),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def campaign_page(
    campaign: Campaign,
    form: DonationForm,
    *,
    attempt: str,
    notice: Notice | None = None,
    promise: Promise | None = None,
    preview: PreviewNotice | None = None,
) -> str:
    """Render the page around a new form, or around a submitted form with its errors; without one when the campaign takes no gifts.

    `promise` is the match for this donor, when others would be quoted another one. The form of a `preview` for staff sends nothing.
    """
    language = form.language
    totals = totals_of(campaign.slug) or no_totals(campaign)
    funds = _funds(campaign, language)
    quoted = _quote(campaign, funds, form.amount.data or "", language, promise=promise)
    return render_template(
        "donate/campaign.html",
        campaign=campaign,
        title=campaign.title(language),
        lead=campaign.lead(language),
        head=shared_head.shared_head(campaign, language),
        story=campaign.story(language),
        picture=find_picture(campaign.picture) if campaign.picture else None,
        picture_alt=campaign.picture_alt(language),
        takes_gifts=campaign.takes_gifts or preview is not None,
        preview=preview,
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        claim=match_copy.campaign_claim(funds.state, language),
        how_it_works=match_copy.how_it_works(funds.state, language),
        held_while_paying=match_copy.hold_promise(funds.state, language),
        each_month=match_copy.monthly_explanation(funds.state, language),
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
        minimum=money.format_money_short(campaign.minimum_cents, language),
        maximum=money.format_money_short(campaign.maximum_cents, language),
        notice=notice,
        check=human_check.page_values(form, attempt),
    )


def _campaign_by_slug_or_404(slug: str) -> Campaign:
    campaign = public_campaign(slug)
    if campaign is None:
        abort(404)
    return campaign


def _funds(campaign: Campaign, language: str) -> _Funds:
    now = datetime.now(UTC)
    funds = funds_of(campaign.id)
    return _Funds(
        state=match_state(campaign, funds, language, now=now),
        offers=[fund.offer() for fund in funds],
        balances={fund.id: fund.balance for fund in funds},
        network=unpaid_holds.holds_of_network(campaign, client_key()),
        now=now,
    )


def _quote(campaign: Campaign, funds: _Funds, text: str, language: str, *, promise: Promise | None = None) -> dict[str, Any]:
    try:
        cents = money.parse(text, language)
    except money.InvalidMoney:
        cents = 0
    if not campaign.minimum_cents <= cents <= campaign.maximum_cents:
        return {"quote": "", "match_cents": None, "later_cents": None, "fee": "", "button": gettext("Continue to payment")}
    promise = promise or promise_to(cents, funds, campaign.hold_bounds)
    quoted = Quote(
        gift_cents=cents,
        match_cents=promise.match_cents,
        later_cents=promise.later_cents,
        limit=promise.limit,
        fund=funds.state.first_open or next(iter(funds.state.funds), None),
        holds=funds.state.holds,
    )
    fee = money.fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
    return {
        "quote": match_quote.quote(quoted, language) if funds.state.funds else "",
        "match_cents": promise.match_cents,
        "later_cents": promise.later_cents,
        "fee": money.format_money(fee, language),
        "button": gettext("Give %(amount)s", amount=money.format_money_short(cents, language)),
    }


def promise_to(cents: int, funds: _Funds, bounds: HoldBounds) -> Promise:
    """The match that any donation of this amount would get now: of a donor of this network who holds nothing else."""
    request = MatchRequest(matchable_cents=cents, amount_cents=cents, at=funds.now)
    if funds.state.is_rematching:
        return Promise(match_cents=0, later_cents=0, limit=Limit.EARLIER_GIFTS)
    if_paid = allocate(request, funds.offers)
    held = (
        sum(holdable(bounds, part, funds.balances[part.fund_id], [funds.network]) for part in if_paid)
        if funds.state.holds
        else total(if_paid)
    )
    return Promise(match_cents=held, later_cents=total(if_paid) - held, limit=limit_of(request, funds.offers))


def _presets(campaign: Campaign, funds: _Funds, language: str) -> list[dict[str, Any]]:
    presets = [_preset(cents, funds, language) for cents in campaign.presets_cents]
    finish = finishing_donation(funds.open_offers, at=funds.now)
    if finish and campaign.minimum_cents <= finish <= max(campaign.presets_cents) and finish not in campaign.presets_cents:
        last = _preset(finish, funds, language)
        presets.append({**last, "label": match_copy.finish_label(finish, language), "is_finish": True})
    return presets


def _preset(cents: int, funds: _Funds, language: str) -> dict[str, Any]:
    becomes = cents + total(allocate(MatchRequest(matchable_cents=cents, amount_cents=cents, at=funds.now), funds.open_offers))
    return {
        "value": _as_typed(cents, language),
        "label": money.format_money_short(cents, language),
        "becomes": money.format_money_short(becomes, language) if becomes > cents else "",
        "is_finish": False,
    }


def _progress(totals: Totals, state: MatchState, language: str) -> dict[str, Any]:
    """The formatted totals, and the parts of the progress bar in thousandths of the goal."""
    goal, toward_goal = totals.goal_cents, totals.toward_goal_cents
    donated = min(1000, totals.donated_cents * 1000 // goal)
    matched = totals.matched_cents if totals.match_counts else 0
    return {
        "given": money.format_money_short(totals.donated_cents, language),
        "matched": money.format_money_short(totals.matched_cents, language),
        "raised": money.format_money_short(totals.raised_cents, language),
        "match_counts": totals.match_counts,
        "goal": money.format_money_short(goal, language),
        "left": match_copy.matching_left(state, language),
        "on_hold": money.format_money_short(state.on_hold_cents, language) if state.on_hold_cents else "",
        "pledged": money.format_money_short(totals.pledged_cents, language),
        "has_fund": totals.pledged_cents > 0,
        "donations": totals.donations,
        "donors": totals.donors,
        "given_parts": donated,
        "matched_parts": min(1000 - donated, matched * 1000 // goal),
        "percent": toward_goal * 100 // goal,
        # A nearly empty bar lowers giving (policy.md, section 2): it is hidden until a twentieth of the goal is raised.
        "has_bar": toward_goal * MILESTONE_PARTS >= goal,
    }
