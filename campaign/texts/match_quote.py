"""What one donation would be matched with, before it is paid: what is held now, what is added when it is paid, and why not more."""

from dataclasses import dataclass

from campaign.rules.allocation import Limit
from campaign.rules.money import format_money_short
from campaign.texts.catalogue import Translator, gettext_noop, translator
from campaign.texts.match_copy import FundView


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a donation would be matched with. `match_cents` are held before payment, `later_cents` are added when it arrives, if left then.

    `limit` says why not in full; `fund` sets the limit, or else matches first. `cause` is what the campaign's gifts go to.
    """

    gift_cents: int
    match_cents: int
    limit: Limit | None
    fund: FundView | None
    cause: str
    later_cents: int = 0
    holds: bool = True
    is_monthly: bool = False


def button(quoted: Quote, language: str) -> str:
    """What the button does: the gift, and what comes of it where all of that is held for the donor."""
    to = translator(language)
    gift = format_money_short(quoted.gift_cents, language)
    if quoted.is_monthly:
        return to.gettext("Give %(amount)s each month", amount=gift)
    if quoted.match_cents and quoted.holds and not quoted.later_cents:
        total = format_money_short(quoted.gift_cents + quoted.match_cents, language)
        return to.gettext("Give %(amount)s, %(cause)s receives %(total)s", amount=gift, cause=quoted.cause, total=total)
    return to.gettext("Give %(amount)s", amount=gift)


def how_to_pay(language: str, *, takes_bank_debits: bool) -> str:
    """How the gift is paid, beside the button. Stripe offers what the donor's device has."""
    to = translator(language)
    if takes_bank_debits:
        return to.gettext(
            "You pay on Stripe’s secure page, by card, Apple Pay, Google Pay, Link or bank debit. We never see your card or account."
        )
    return to.gettext("You pay on Stripe’s secure page, by card, Apple Pay, Google Pay or Link. We never see your card.")


def quote(quoted: Quote, language: str) -> str:
    """What a donation would be matched with, before it is paid; of a monthly one, the first month."""
    to = translator(language)
    of_one = _quote_of_one(quoted, to)
    if not quoted.is_monthly:
        return of_one
    monthly = to.gettext("You give %(gift)s each month, starting today.", gift=format_money_short(quoted.gift_cents, language))
    return f"{monthly} {of_one}"


def _quote_of_one(quoted: Quote, to: Translator) -> str:
    together = quoted.gift_cents + quoted.match_cents + quoted.later_cents
    cents = {"gift": quoted.gift_cents, "match": quoted.match_cents, "later": quoted.later_cents, "total": together}
    amounts = {name: format_money_short(amount, to.language) for name, amount in cents.items()}
    reason = _reason(quoted, to)
    if quoted.later_cents:
        return f"{_in_two_parts(quoted, amounts, to)} {_shortfall(quoted, to)}".strip()
    if quoted.match_cents == 0:
        return to.gettext("Your gift of %(gift)s cannot be matched right now%(reason)s.", reason=reason, **amounts)
    if reason:
        return to.gettext("Your gift of %(gift)s is matched in part: %(match)s%(reason)s. Together: %(total)s.", reason=reason, **amounts)
    if quoted.holds:
        return to.gettext("Your gift of %(gift)s + %(match)s matched = %(total)s.", **amounts)
    return to.gettext("Your gift of %(gift)s + %(match)s matched = %(total)s, if there is matching left when it arrives.", **amounts)


def _in_two_parts(quoted: Quote, amounts: dict[str, str], to: Translator) -> str:
    """What is held now, and what is added when the payment arrives."""
    if quoted.match_cents:
        return to.gettext(
            "Your gift of %(gift)s: %(match)s of matching is held for you now; the other %(later)s is added when you pay, as long as matching "
            "is left. Together: %(total)s.",
            **amounts,
        )
    return to.gettext(
        "Your gift of %(gift)s: %(later)s of matching is added when you pay, as long as matching is left. Together: %(total)s.", **amounts
    )


def _shortfall(quoted: Quote, to: Translator) -> str:
    """That even so it is not matched in full, and why; empty when it is."""
    return to.gettext(_SHORTFALLS.get(quoted.limit, _SHORTFALL)) if quoted.limit else ""


def _reason(quoted: Quote, to: Translator) -> str:
    """Why not in full, as the rest of a sentence."""
    fund = quoted.fund
    if quoted.limit is None:
        return ""
    if quoted.limit is Limit.USED_UP and fund is not None and fund.held_cents:
        if quoted.match_cents + quoted.later_cents:
            return to.gettext(", all that is not on hold for gifts that are not paid yet")
        return to.gettext(": all that is left is on hold for gifts that are not paid yet")
    if quoted.limit is Limit.USED_UP and quoted.match_cents + quoted.later_cents:
        return to.gettext(", all that is left of the fund")
    if quoted.limit is Limit.MINIMUM and fund is not None:
        return to.gettext(": matching is for gifts of %(amount)s or more", amount=format_money_short(fund.minimum_cents, to.language))
    if quoted.match_cents + quoted.later_cents == 0 and quoted.limit in _REASONS_FOR_NONE:
        return to.gettext(_REASONS_FOR_NONE[quoted.limit])
    return to.gettext(_REASONS[quoted.limit])


_SHORTFALL = gettext_noop("The rest of your gift is not matched.")
_SHORTFALLS = {
    Limit.USED_UP: gettext_noop("That is all that can be matched now."),
    Limit.PER_DONATION: gettext_noop("That is the most for one gift."),
    Limit.PER_DONOR: gettext_noop("That is the most for one donor."),
}
_REASONS = {
    Limit.USED_UP: gettext_noop(": the matching has all been used"),
    Limit.PAUSED: gettext_noop(": the matching is paused"),
    Limit.NOT_OPEN_YET: gettext_noop(": the matching has not begun"),
    Limit.CLOSED: gettext_noop(": the matching has ended"),
    Limit.MINIMUM: gettext_noop(": it is below the least gift that is matched"),
    Limit.PER_DONATION: gettext_noop(", the most for one gift"),
    Limit.PER_DONOR: gettext_noop(", the most for one donor"),
    Limit.EARLIER_GIFTS: gettext_noop(": what becomes available goes to earlier gifts first"),
}
_REASONS_FOR_NONE = {
    Limit.PER_DONATION: gettext_noop(": the most for one gift is reached"),
    Limit.PER_DONOR: gettext_noop(": the most for one donor is reached"),
}
