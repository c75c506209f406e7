"""The match of one donation in sentences, for its donor and for staff: its state, and the events that led to it.

Amounts and reasons come from the books; no sentence promises what the books do not hold.
"""

from dataclasses import dataclass
from enum import StrEnum

from campaign.rules.allocation import Limit
from campaign.rules.money import format_money_short
from campaign.texts.catalogue import gettext_noop, translator


class TimelineKind(StrEnum):
    """The kinds of events in the history of a donation."""

    BEGUN = "begun"
    HELD = "held"
    RELEASED = "released"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    FAILED = "failed"
    PAID = "paid"
    MATCHED = "matched"
    LESS = "less"
    REMATCHED = "rematched"
    REFUNDED = "refunded"
    LOST = "lost"
    REINSTATED = "reinstated"
    UNMATCHED = "unmatched"
    QUARANTINED = "quarantined"
    ACCEPTED = "accepted"
    ENTERED = "entered"
    NOT_MATCHABLE = "not_matchable"
    BOUNCED = "bounced"
    MISTAKEN = "mistaken"


@dataclass(frozen=True, kw_only=True)
class TimelineEvent:
    """One event. `reason` is a `Limit` for LESS, and the cause that freed the money for REMATCHED.

    `cents` is of the gift or its match, `covered_fee_cents` of the processing fee that the donor covered.
    """

    kind: TimelineKind
    cents: int = 0
    covered_fee_cents: int = 0
    fund_name: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MatchStatus:
    """The current match of one donation. `gift_cents` is net of reversals; `waits` when more match may still be allocated.

    Before it is paid, `later_cents` would be added to what is held if it were paid now. A bank debit `is_unverified` until the donor's bank
    account is verified. A donor who is not `is_reachable` has no email address. `cause` is what the campaign's gifts go to.
    """

    gift_cents: int
    held_cents: int
    matched_cents: int
    fund_name: str
    cause: str
    is_paid: bool
    is_processing: bool = False
    is_unverified: bool = False
    later_cents: int = 0
    waits: bool = False
    is_reachable: bool = True


def match_outcome(now: MatchStatus, language: str) -> str:
    """Return what became of the match, for the donor's page and email; empty when there is no match to mention."""
    if now.is_paid:
        return " ".join(part for part in (_matched(now, language), _queued(now, language)) if part)
    return " ".join(part for part in (_held(now, language), _added_later(now, language)) if part)


def _held(now: MatchStatus, language: str) -> str:
    to = translator(language)
    if now.is_unverified and now.later_cents:
        return to.gettext("Matching is held for you once your bank account is verified, not before.")
    if now.held_cents == 0:
        return ""
    match = format_money_short(now.held_cents, to.language)
    if now.is_processing:
        return to.gettext("%(match)s of matching stays held for you until your bank has answered.", match=match)
    return to.gettext("%(match)s of matching is held for you while you pay.", match=match)


def _added_later(now: MatchStatus, language: str) -> str:
    if now.later_cents == 0:
        return ""
    to = translator(language)
    later = format_money_short(now.later_cents, to.language)
    if now.held_cents:
        return to.gettext("The other %(later)s is added when your payment arrives, as long as matching is left.", later=later)
    return to.gettext("%(later)s of matching is added when your payment arrives, as long as matching is left.", later=later)


def _matched(now: MatchStatus, language: str) -> str:
    if now.matched_cents == 0:
        return ""
    to = translator(language)
    return to.gettext(
        "%(match)s of matching (%(fund)s) is added to your gift of %(gift)s: %(cause)s receives %(total)s.",
        match=format_money_short(now.matched_cents, to.language),
        fund=now.fund_name,
        cause=now.cause,
        gift=format_money_short(now.gift_cents, to.language),
        total=format_money_short(now.gift_cents + now.matched_cents, to.language),
    )


def _queued(now: MatchStatus, language: str) -> str:
    """The sentence for a donation in the match queue; empty for any other."""
    if not now.waits:
        return ""
    to = translator(language)
    if not now.is_reachable:
        return to.gettext("If more matching becomes available, your gift is in line for it.")
    return to.gettext("If more matching becomes available, your gift is in line for it, and we will write to you.")


def rematch_news(*, gift_cents: int, matched_cents: int, more_cents: int, fund_name: str, cause: str, language: str) -> str:
    """Return the news that more of a donation is matched than when it was paid. `more_cents` was added since then."""
    to = translator(language)
    return to.gettext(
        "%(more)s of matching (%(fund)s) has come to your gift of %(gift)s since it was paid. "
        "It is now matched with %(match)s: %(cause)s receives %(total)s.",
        more=format_money_short(more_cents, to.language),
        fund=fund_name,
        cause=cause,
        gift=format_money_short(gift_cents, to.language),
        match=format_money_short(matched_cents, to.language),
        total=format_money_short(gift_cents + matched_cents, to.language),
    )


def describe(event: TimelineEvent, language: str) -> str:
    """Return one event as a plain sentence."""
    to = translator(language)
    message = _MESSAGES.get(event.kind) or _LIMITS.get(Limit(event.reason), _LIMITS[Limit.USED_UP])
    reason, cents, fee_cents = to.gettext(_CAUSES.get(event.reason, _CAUSES["release"])), event.cents, event.covered_fee_cents
    if fee_cents:
        message = _WITH_FEE[event.kind]
        if event.kind is not TimelineKind.PAID:
            cents += fee_cents  # The donor gets it back as one sum.
    sums = {"amount": format_money_short(cents, to.language), "fee": format_money_short(fee_cents, to.language)}
    return to.gettext(message, fund=event.fund_name, reason=reason, **sums)


_MESSAGES = {
    TimelineKind.BEGUN: gettext_noop("A gift of %(amount)s was begun."),
    TimelineKind.HELD: gettext_noop("%(amount)s of matching was held (%(fund)s)."),
    TimelineKind.RELEASED: gettext_noop("The %(amount)s that was held is free again (%(fund)s)."),
    TimelineKind.EXPIRED: gettext_noop("The time to pay passed."),
    TimelineKind.CLOSED: gettext_noop("The charity closed the payment page."),
    TimelineKind.CANCELLED: gettext_noop("The payment page was closed without a payment."),
    TimelineKind.FAILED: gettext_noop("The payment did not go through."),
    TimelineKind.PAID: gettext_noop("The gift of %(amount)s was paid."),
    TimelineKind.MATCHED: gettext_noop("%(amount)s was matched (%(fund)s)."),
    TimelineKind.REMATCHED: gettext_noop("%(amount)s more was matched (%(fund)s), because %(reason)s."),
    TimelineKind.REFUNDED: gettext_noop("%(amount)s of the gift was refunded."),
    TimelineKind.LOST: gettext_noop("%(amount)s of the gift was lost in a dispute."),
    TimelineKind.REINSTATED: gettext_noop("%(amount)s of the gift came back."),
    TimelineKind.UNMATCHED: gettext_noop("%(amount)s of the match went back to the fund (%(fund)s)."),
    TimelineKind.QUARANTINED: gettext_noop("The payment differed from what we asked for, so someone on our team is checking it."),
    TimelineKind.ACCEPTED: gettext_noop("Our team has accepted the payment as it is."),
    TimelineKind.ENTERED: gettext_noop("A gift of %(amount)s was recorded."),
    TimelineKind.NOT_MATCHABLE: gettext_noop("It was recorded as a gift that is not matched."),
    TimelineKind.BOUNCED: gettext_noop("The bank returned the payment of %(amount)s: it is no gift."),
    TimelineKind.MISTAKEN: gettext_noop("The gift of %(amount)s had been recorded by mistake: it is no gift."),
}
_WITH_FEE = {
    TimelineKind.PAID: gettext_noop("The gift of %(amount)s was paid, with %(fee)s for the processing fee."),
    TimelineKind.REFUNDED: gettext_noop("%(amount)s was refunded, %(fee)s of it for the processing fee."),
    TimelineKind.LOST: gettext_noop("%(amount)s was lost in a dispute, %(fee)s of it for the processing fee."),
    TimelineKind.REINSTATED: gettext_noop("%(amount)s came back, %(fee)s of it for the processing fee."),
}
_LIMITS = {
    Limit.USED_UP: gettext_noop("The rest was not matched, because the fund was used up."),
    Limit.PAUSED: gettext_noop("The rest was not matched, because the matching was paused."),
    Limit.NOT_OPEN_YET: gettext_noop("The rest was not matched, because the matching had not begun."),
    Limit.CLOSED: gettext_noop("The rest was not matched, because the matching had ended."),
    Limit.MINIMUM: gettext_noop("It was not matched, because it is below the least gift that is matched."),
    Limit.PER_DONATION: gettext_noop("The rest was not matched, because this was the most for one gift."),
    Limit.PER_DONOR: gettext_noop("The rest was not matched, because this was the most for one donor."),
    Limit.EARLIER_GIFTS: gettext_noop("The rest is not matched yet, because what became available went to earlier gifts first."),
}
_CAUSES = {
    "refund": gettext_noop("another gift was refunded"),
    "dispute": gettext_noop("another gift was lost in a dispute"),
    "release": gettext_noop("a gift under way was not completed"),
    "quarantine": gettext_noop("another payment was set aside"),
    "pledge": gettext_noop("the pledge was raised"),
    "resumed": gettext_noop("the matching has resumed"),
    "activated": gettext_noop("a new fund began"),
    "fell_through": gettext_noop("another gift did not arrive after all"),
    "separated": gettext_noop("two donors who had been taken for one were separated"),
}
