"""What a gift of an amount would be matched with: the promise before payment, its texts, and the suggested amounts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.matching.funds import funds_of
from campaign.matching.session import HoldQuote
from campaign.payments import unpaid_holds
from campaign.reporting.totals import match_state
from campaign.rules import money
from campaign.rules.allocation import Limit, MatchRequest, Offer, allocate, finishing_donation, limit_of, total
from campaign.rules.hold_bounds import FundBalance, HoldBounds, UnpaidHolds, holdable
from campaign.texts import match_copy, match_quote
from campaign.texts.match_copy import MatchState
from campaign.texts.match_quote import Quote
from campaign.web.networks import client_key


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
class CurrentFunds:
    """The campaign's funds at one moment: their offers, and their state for the texts."""

    state: MatchState
    offers: list[Offer]
    balances: dict[int, FundBalance]
    network: UnpaidHolds | None
    now: datetime

    @property
    def open_offers(self) -> list[Offer]:
        """The offers that a donation could be matched from now: none while earlier donations are rematched."""
        return [] if self.state.is_rematching else self.offers


def current_funds(campaign: Campaign, language: str) -> CurrentFunds:
    """The campaign's funds now, and what this visitor's network already holds of them."""
    return _funds_now(campaign, language, unpaid_holds.holds_of_network(campaign, client_key()))


def funds_for_everybody(campaign: Campaign, language: str) -> CurrentFunds:
    """The campaign's funds now, without what a network holds of them."""
    return _funds_now(campaign, language, None)


def _funds_now(campaign: Campaign, language: str, network: UnpaidHolds | None) -> CurrentFunds:
    now = datetime.now(UTC)
    funds = funds_of(campaign.id)
    return CurrentFunds(
        state=match_state(campaign, funds, language, now=now),
        offers=[fund.offer() for fund in funds],
        balances={fund.id: fund.balance for fund in funds},
        network=network,
        now=now,
    )


def quote_of(
    campaign: Campaign, funds: CurrentFunds, text: str, language: str, *, is_monthly: bool = False, promise: Promise | None = None
) -> dict[str, Any]:
    """The match of a typed amount in cents and words, the fee that could be covered, and the button; `promise` replaces the general one."""
    try:
        cents = money.parse(text, language)
    except money.InvalidMoney:
        cents = 0
    if not campaign.minimum_cents <= cents <= campaign.maximum_cents:
        return {
            "quote": "",
            "gift_cents": None,
            "match_cents": None,
            "later_cents": None,
            "fee": "",
            "total": "",
            "button": gettext("Continue to payment"),
            "next": gettext("Continue"),
        }
    promise = promise or promise_to(cents, funds, campaign.hold_bounds)
    quoted = Quote(
        gift_cents=cents,
        match_cents=promise.match_cents,
        later_cents=promise.later_cents,
        limit=promise.limit,
        fund=funds.state.first_open or next(iter(funds.state.funds), None),
        cause=campaign.cause(language),
        holds=funds.state.holds,
        is_monthly=is_monthly,
    )
    fee = money.fee_to_cover(cents, percent_hundredths=campaign.fee_percent_hundredths, fixed_cents=campaign.fee_fixed_cents)
    return {
        "quote": match_quote.quote(quoted, language) if funds.state.funds else "",
        "gift_cents": cents,
        "match_cents": promise.match_cents,
        "later_cents": promise.later_cents,
        "fee": money.format_money(fee, language),
        "total": gettext("With the fee, you pay %(total)s", total=money.format_money(cents + fee, language)),
        "button": match_quote.button(quoted, language),
        "next": gettext("Continue with %(amount)s", amount=money.format_money_short(cents, language)),
    }


def promise_to(cents: int, funds: CurrentFunds, bounds: HoldBounds) -> Promise:
    """The match that any donation of this amount would get now: of a donor of this network who holds nothing else."""
    request = MatchRequest(matchable_cents=cents, amount_cents=cents, at=funds.now)
    if funds.state.is_rematching:
        return Promise(match_cents=0, later_cents=0, limit=Limit.EARLIER_GIFTS)
    if_paid = allocate(request, funds.offers)
    held = (
        sum(holdable(bounds, part, funds.balances[part.fund_id], [funds.network] if funds.network else []) for part in if_paid)
        if funds.state.holds
        else total(if_paid)
    )
    return Promise(match_cents=held, later_cents=total(if_paid) - held, limit=limit_of(request, funds.offers))


def presets_of(campaign: Campaign, funds: CurrentFunds, language: str) -> list[dict[str, Any]]:
    """The suggested amounts, each with what it becomes; the last may be the gift that uses exactly what is left of the match."""
    presets = [_preset(cents, funds, language) for cents in campaign.presets_cents]
    finish = finishing_donation(funds.open_offers, at=funds.now)
    if finish and campaign.minimum_cents <= finish <= max(campaign.presets_cents) and finish not in campaign.presets_cents:
        last = _preset(finish, funds, language)
        presets.append({**last, "label": match_copy.finish_label(finish, language), "is_finish": True})
    return presets


def _preset(cents: int, funds: CurrentFunds, language: str) -> dict[str, Any]:
    becomes = cents + total(allocate(MatchRequest(matchable_cents=cents, amount_cents=cents, at=funds.now), funds.open_offers))
    return {
        "value": money.format_typed(cents, language),
        "label": money.format_money_short(cents, language),
        "becomes": money.format_money_short(becomes, language) if becomes > cents else "",
        "is_finish": False,
    }
