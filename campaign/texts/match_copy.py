"""Every public claim about the match, built from the current terms and balances of the funds.

When a fund is used up, paused or closed, its claim disappears in the same second: no template and no story contains one of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from babel.dates import format_time, get_timezone_name

from campaign.rules.allocation import Ratio
from campaign.rules.money import format_money_short
from campaign.texts.catalogue import Translator, translator
from campaign.texts.dates import format_day

# From less than this on, a gift of a usual size may be larger than what is left: not every dollar of it is matched.
NEAR_END_CENTS = 500_00


class FundStatus(StrEnum):
    """Whether a fund matches donations now."""

    OPEN = "open"
    PAUSED = "paused"
    NOT_OPEN_YET = "not_open_yet"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class FundView:
    """What is shown of one fund. `opens_at` and `closes_at` are in the charity's time zone; an early end is included.

    `donates_leftover` is whether what is not matched by the end is given all the same; else it stays with the funder.
    """

    name: str
    ratio: Ratio
    pledged_cents: int
    available_cents: int
    held_cents: int
    status: FundStatus = FundStatus.OPEN
    minimum_cents: int = 0
    per_donation_cents: int | None = None
    per_donor_cents: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    donates_leftover: bool = False

    @property
    def unmatched_cents(self) -> int:
        """What is not matched yet, on hold or not."""
        return self.available_cents + self.held_cents


@dataclass(frozen=True, kw_only=True)
class MatchState:
    """The funds in order of priority, whether match is held during checkout, and whether freed money goes to earlier donations first."""

    funds: tuple[FundView, ...]
    holds: bool = True
    is_rematching: bool = False

    @property
    def first_open(self) -> FundView | None:
        """The first fund that has not matched all of its pledge. What is on hold for gifts that are not paid is not matched yet."""
        if self.is_rematching:
            return None
        return next((f for f in self.funds if f.status == FundStatus.OPEN and f.unmatched_cents > 0), None)

    @property
    def on_same_terms(self) -> tuple[FundView, ...]:
        """The first open fund and the open funds with the same terms: one amount for one rule."""
        first = self.first_open
        return tuple(f for f in self.funds if first and f.status == FundStatus.OPEN and _terms(f) == _terms(first))

    @property
    def left_cents(self) -> int:
        """What is not matched yet, over all open funds."""
        return 0 if self.is_rematching else sum(f.unmatched_cents for f in self.funds if f.status == FundStatus.OPEN)

    @property
    def on_hold_cents(self) -> int:
        """What of it is on hold for gifts that are not paid yet."""
        return 0 if self.is_rematching else sum(f.held_cents for f in self.funds if f.status == FundStatus.OPEN)


def _terms(fund: FundView) -> tuple[object, ...]:
    return fund.ratio, fund.minimum_cents, fund.per_donation_cents, fund.per_donor_cents, fund.closes_at


def anonymous_fund(language: str) -> str:
    """What takes the place of the name of a fund whose funder is anonymous."""
    return translator(language).gettext("an anonymous funder")


def _sentence(text: str, to: Translator) -> str:
    """The text with a capital where it begins with what takes the place of a name."""
    return text[:1].upper() + text[1:] if text.startswith(anonymous_fund(to.language)) else text


def campaign_claim(state: MatchState, language: str) -> str:
    """Return one or two sentences for the head of the campaign page; empty when the campaign has no fund."""
    if not state.funds:
        return ""
    to = translator(language)
    if fund := state.first_open:
        left, held = (sum(getattr(f, name) for f in state.on_same_terms) for name in ("unmatched_cents", "held_cents"))
        amount = format_money_short(left, to.language)
        if left < NEAR_END_CENTS and not held and not _has_limits(fund):
            claim = to.gettext("Only %(left)s of matching (%(fund)s) is left: your gift can finish it.", left=amount, fund=fund.name)
        else:
            claim = to.gettext(
                "With %(fund)s, %(rule)s%(conditions)s. %(left)s of matching is left.",
                fund=fund.name,
                rule=_rule(fund, to),
                conditions=_conditions(fund, to),
                left=amount,
            )
        return _sentence(f"{claim} {_on_hold(left, held, to)}".strip(), to)
    return _sentence(_why_none(state, to), to)


def _has_limits(fund: FundView) -> bool:
    """Whether one gift may not be able to take all that is left."""
    return bool(fund.minimum_cents or fund.per_donation_cents or fund.per_donor_cents)


def _on_hold(left_cents: int, held_cents: int, to: Translator) -> str:
    """What part of it is on hold; empty when nothing is."""
    if not held_cents:
        return ""
    if held_cents >= left_cents:
        return to.gettext("It is on hold for gifts that are not paid yet; whatever they do not use goes to other gifts, in order.")
    return to.gettext("%(held)s of it is on hold for gifts that are not paid yet.", held=format_money_short(held_cents, to.language))


def _rule(fund: FundView, to: Translator) -> str:
    ratio = fund.ratio
    if ratio.numerator == ratio.denominator:
        return to.gettext("every dollar you give is doubled")
    if _is_whole_for_a_dollar(ratio):
        return to.gettext("%(added)s is added to every dollar you give", added=format_money_short(ratio.match_of(100), to.language))
    return to.gettext("%(added)s is added to every %(given)s you give", **_ratio_amounts(ratio, to))


def _is_whole_for_a_dollar(ratio: Ratio) -> bool:
    """Whether the match of one dollar is a whole number of cents; otherwise the ratio's own numbers are shown."""
    return ratio.numerator * 100 % ratio.denominator == 0


def _ratio_amounts(ratio: Ratio, to: Translator) -> dict[str, str]:
    return {
        "added": format_money_short(ratio.numerator * 100, to.language),
        "given": format_money_short(ratio.denominator * 100, to.language),
    }


def _conditions(fund: FundView, to: Translator) -> str:
    """Minimum, caps and end, each after a comma."""
    parts = []
    if fund.minimum_cents:
        parts.append(to.gettext("for gifts of %(amount)s or more", amount=format_money_short(fund.minimum_cents, to.language)))
    if fund.per_donation_cents is not None:
        parts.append(
            to.gettext("with up to %(amount)s of matching for one gift", amount=format_money_short(fund.per_donation_cents, to.language))
        )
    if fund.per_donor_cents is not None:
        parts.append(
            to.gettext("with up to %(amount)s of matching for one donor", amount=format_money_short(fund.per_donor_cents, to.language))
        )
    if fund.closes_at is not None:
        parts.append(_until(fund.closes_at, to))
    return "".join(f", {part}" for part in parts)


def _until(end: datetime, to: Translator) -> str:
    """The end of a window, which is exclusive: its last whole day when it ends at midnight, else its last minute."""
    if _is_midnight(end):
        return to.gettext("through %(day)s", day=format_day(end - timedelta(minutes=1), to.language))
    return to.gettext("until %(moment)s", moment=_moment(end, to))


def _moment(moment: datetime, to: Translator) -> str:
    time = format_time(moment, "short", tzinfo=moment.tzinfo, locale=_locale(to))
    zone = get_timezone_name(moment, width="short", locale=_locale(to))
    return to.gettext("%(day)s at %(time)s (%(zone)s)", day=format_day(moment, to.language), time=time, zone=zone)


def _locale(to: Translator) -> str:
    return f"{to.language}_CA"


def _why_none(state: MatchState, to: Translator) -> str:
    """Why no donation is matched now."""
    statuses = {f.status for f in state.funds}
    name = state.funds[0].name
    coming = next((f for f in state.funds if f.status == FundStatus.NOT_OPEN_YET and f.opens_at is not None), None)
    if state.is_rematching:
        return to.gettext(
            "Matching from %(fund)s has become available and goes to earlier gifts first. Your gift counts in full.", fund=name
        )
    if FundStatus.OPEN in statuses:
        return to.gettext("The matching from %(fund)s has all been used. Your gift still counts in full.", fund=name)
    if FundStatus.PAUSED in statuses:
        return to.gettext(
            "The matching from %(fund)s is paused for now. Your gift counts in full, and is in line for when it resumes.",
            fund=name,
        )
    if coming is not None and coming.opens_at is not None:
        return to.gettext(
            "The matching from %(fund)s begins on %(start)s. A gift made before then counts in full, without it.",
            fund=coming.name,
            start=format_day(coming.opens_at, to.language) if _is_midnight(coming.opens_at) else _moment(coming.opens_at, to),
        )
    return to.gettext("The matching from %(fund)s has ended. Your gift still counts in full.", fund=name)


def matching_left(state: MatchState, language: str) -> str:
    """What is not matched yet as an amount or, while no fund matches although it has money, why not."""
    to = translator(language)
    statuses = {f.status for f in state.funds if f.unmatched_cents}
    if state.is_rematching:
        return to.gettext("goes to earlier gifts first")
    if FundStatus.OPEN in statuses or not statuses:
        return format_money_short(state.left_cents, language)
    if FundStatus.PAUSED in statuses:
        return to.gettext("paused")
    if FundStatus.NOT_OPEN_YET in statuses:
        return to.gettext("not begun yet")
    return to.gettext("ended")


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second) == (0, 0, 0)


def how_it_works(state: MatchState, language: str, *, takes_gifts: bool = True) -> list[str]:
    """Return the rule in plain sentences: one a fund, and when the match is decided, as long as there may be other gifts."""
    to = translator(language)
    sentences = [_sentence(_pledge(fund, to), to) for fund in state.funds]
    if state.first_open is None or not takes_gifts:
        return sentences
    if state.holds:
        decided = to.gettext(
            "We hold the match for you while you pay, so you get what you were shown. What we cannot hold is added when your payment arrives, as long as matching is left. A bank debit holds nothing until your account is verified."
        )
    else:
        decided = to.gettext("A gift is matched when it is paid, as long as matching is left.")
    return [*sentences, decided]


def _pledge(fund: FundView, to: Translator) -> str:
    ratio = fund.ratio
    if ratio.numerator == ratio.denominator:
        rule = to.gettext("one dollar for each dollar given")
    elif _is_whole_for_a_dollar(ratio):
        rule = to.gettext("%(added)s for each dollar given", added=format_money_short(ratio.match_of(100), to.language))
    else:
        rule = to.gettext("%(added)s for each %(given)s given", **_ratio_amounts(ratio, to))
    pledge = to.gettext(
        "%(fund)s pledged %(rule)s, up to %(pledged)s in all%(conditions)s.",
        fund=fund.name,
        rule=rule,
        pledged=format_money_short(fund.pledged_cents, to.language),
        conditions=_conditions(fund, to),
    )
    leftover = (
        to.gettext("Whatever is not matched by the end will be donated anyway.")
        if fund.donates_leftover
        else to.gettext("Whatever is not matched by the end stays with the funder.")
    )
    return f"{pledge} {leftover}"


def monthly_explanation(state: MatchState, language: str) -> str:
    """Return what a monthly donation means, and how it is matched as things are now."""
    to = translator(language)
    own = to.gettext("Each month is a separate gift with its own receipt. Change the amount or stop whenever you like.")
    if state.first_open is None:
        return own
    matched = to.gettext("Each is matched when it is paid, as long as matching is left; that month’s email will tell you how much.")
    return f"{own} {matched}"


def hold_promise(state: MatchState, language: str) -> str:
    """Return the promise beside the button; empty when there is nothing to hold."""
    if state.first_open is None:
        return ""
    to = translator(language)
    if state.holds:
        return to.gettext("We hold the match shown as held while you pay.")
    return to.gettext("Your gift is matched when your payment arrives, as long as matching is left.")


def finish_label(gift_cents: int, language: str) -> str:
    """Return the label of the donation that uses exactly what is left."""
    to = translator(language)
    return to.gettext("Finish the match: %(gift)s", gift=format_money_short(gift_cents, to.language))
