"""Every public claim about the match, made from the live rule and balance, in both languages.

When the fund is used up, paused or closed the claim is gone in the same second; no template and no story holds one of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from babel.dates import format_date, format_time, get_timezone_name

from campaign.rules.matching import Limit, Ratio
from campaign.rules.money import written_short


class FundStanding(StrEnum):
    """Whether a fund gives now."""

    OPEN = "open"
    PAUSED = "paused"
    NOT_OPEN_YET = "not_open_yet"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class FundState:
    """What the words depend on, of one fund. `opens_at` and `closes_at` are by the charity's clocks, an early end included."""

    name: str
    ratio: Ratio
    pledged_cents: int
    available_cents: int
    held_cents: int
    standing: FundStanding = FundStanding.OPEN
    minimum_cents: int = 0
    per_donation_cents: int | None = None
    per_donor_cents: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MatchState:
    """The funds in the order they are drawn on, whether match is held while a donor pays, and whether money is on its way to earlier gifts."""

    funds: tuple[FundState, ...]
    holds: bool = True
    is_healing: bool = False

    @property
    def giving(self) -> FundState | None:
        """The first fund that would match a gift now."""
        if self.is_healing:
            return None
        return next((f for f in self.funds if f.standing == FundStanding.OPEN and f.available_cents > 0), None)

    @property
    def left_alike_cents(self) -> int:
        """What the giving fund has left, with the open funds that have the same terms: a sum that goes with one rule."""
        giving = self.giving
        return sum(f.available_cents for f in self.funds if giving and f.standing == FundStanding.OPEN and _terms(f) == _terms(giving))

    @property
    def left_cents(self) -> int:
        """What could be matched now, in all funds."""
        return 0 if self.is_healing else sum(f.available_cents for f in self.funds if f.standing == FundStanding.OPEN)


def _terms(fund: FundState) -> tuple[object, ...]:
    return fund.ratio, fund.minimum_cents, fund.per_donation_cents, fund.per_donor_cents, fund.closes_at


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a gift would become. `limit` says why the match is less than in full, `fund` is the one that sets the limit or gives first."""

    gift_cents: int
    match_cents: int
    limit: Limit | None
    fund: FundState | None
    holds: bool = True


def campaign_claim(state: MatchState, language: str) -> str:
    """One or two sentences at the head of the campaign page; empty when no fund stands beside it."""
    if not state.funds:
        return ""
    if fund := state.giving:
        left = written_short(state.left_alike_cents, language)
        terms = _each_dollar(fund, language) + _conditions(fund, language)
        if language == "fr":
            return f"{fund.name}\u00a0: {terms}. Il reste {left} de jumelage."
        return f"{fund.name} {terms}. {left} of matching is left."
    return _why_none(state, language)


def _each_dollar(fund: FundState, language: str) -> str:
    ratio = fund.ratio
    if ratio.numerator == ratio.denominator:
        return "chaque dollar donné est doublé" if language == "fr" else "doubles every dollar you give"
    added, given = _added(ratio, language)
    return f"à chaque {given} s’ajoutent {added}" if language == "fr" else f"adds {added} to every {given} you give"


def _added(ratio: Ratio, language: str) -> tuple[str, str]:
    """What is added, and to how much: the cents for a dollar where they are whole, else the ratio's own numbers."""
    if ratio.numerator * 100 % ratio.denominator == 0:
        return written_short(ratio.match_of(100), language), "dollar donné" if language == "fr" else "dollar"
    added, given = written_short(ratio.numerator * 100, language), written_short(ratio.denominator * 100, language)
    return added, f"tranche de {given}" if language == "fr" else given


def _conditions(fund: FundState, language: str) -> str:
    """Caps, minimum and end, each after a comma."""
    is_french = language == "fr"
    parts = []
    if fund.minimum_cents:
        least = written_short(fund.minimum_cents, language)
        parts.append(f"pour les dons de {least} et plus" if is_french else f"for gifts of {least} or more")
    if fund.per_donation_cents is not None:
        most = written_short(fund.per_donation_cents, language)
        parts.append(f"jusqu’à {most} de jumelage par don" if is_french else f"with up to {most} of matching for one gift")
    if fund.per_donor_cents is not None:
        most = written_short(fund.per_donor_cents, language)
        parts.append(f"jusqu’à {most} de jumelage par donateur" if is_french else f"with up to {most} of matching for one donor")
    if fund.closes_at is not None:
        parts.append(_until(fund.closes_at, language))
    return "".join(f", {part}" for part in parts)


def _until(end: datetime, language: str) -> str:
    """The last moment of a window that ends before this one: a whole day when it ends at midnight."""
    if (end.hour, end.minute, end.second) == (0, 0, 0):
        day = _day(end - timedelta(minutes=1), language)
        return f"jusqu’au {day} inclus" if language == "fr" else f"through {day}"
    return f"jusqu’au {_moment(end, language)}" if language == "fr" else f"until {_moment(end, language)}"


def _day(moment: datetime, language: str) -> str:
    day = format_date(moment, "long", locale=_locale(language))
    return f"1er{day[1:]}" if language == "fr" and moment.day == 1 else day


def _moment(moment: datetime, language: str) -> str:
    time = format_time(moment, "short", tzinfo=moment.tzinfo, locale=_locale(language))
    zone = get_timezone_name(moment, width="short", locale=_locale(language))
    return f"{_day(moment, language)} {'à' if language == 'fr' else 'at'} {time} ({zone})"


def _locale(language: str) -> str:
    return "fr_CA" if language == "fr" else "en_CA"


def _why_none(state: MatchState, language: str) -> str:
    """Why nothing is matched now. A gift counts in full all the same."""
    is_french = language == "fr"
    standings = {f.standing for f in state.funds}
    name = state.funds[0].name
    held = sum(f.held_cents for f in state.funds)
    if state.is_healing:
        return (
            f"{name}\u00a0: du jumelage s’est libéré et revient d’abord aux dons déjà faits. Votre don compte en entier."
            if is_french
            else f"Matching from {name} has come free and goes to earlier gifts first. Your gift counts in full."
        )
    if FundStanding.OPEN in standings and held:
        return (
            f"{name}\u00a0: tout le jumelage est réservé à des dons en cours. Il peut s’en libérer\u00a0; votre don compte en entier."
            if is_french
            else f"All of the matching from {name} is being held for gifts under way. Some may come free; your gift counts in full."
        )
    if FundStanding.OPEN in standings:
        return (
            f"{name}\u00a0: tout le jumelage a été utilisé. Votre don compte toujours en entier."
            if is_french
            else f"The matching from {name} has all been used. Your gift still counts in full."
        )
    if FundStanding.PAUSED in standings:
        return (
            f"{name}\u00a0: le jumelage est suspendu pour le moment. Votre don compte en entier, et prend sa place pour la reprise."
            if is_french
            else f"The matching from {name} is paused for now. Your gift counts in full, and takes its place for when it goes on."
        )
    coming = next((f for f in state.funds if f.standing == FundStanding.NOT_OPEN_YET and f.opens_at is not None), None)
    if coming is not None and coming.opens_at is not None:
        start = _day(coming.opens_at, language) if _is_midnight(coming.opens_at) else _moment(coming.opens_at, language)
        return (
            f"{coming.name}\u00a0: le jumelage commence le {start}. Un don fait avant compte en entier, sans jumelage."
            if is_french
            else f"The matching from {coming.name} begins on {start}. A gift made before then counts in full, without it."
        )
    return (
        f"{name}\u00a0: le jumelage est terminé. Votre don compte toujours en entier."
        if is_french
        else f"The matching from {name} has ended. Your gift still counts in full."
    )


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second) == (0, 0, 0)


def how_it_works(state: MatchState, language: str) -> list[str]:
    """The rule in plain sentences, for whoever wants to know it: a fund a sentence, and when the match is decided."""
    if not state.funds:
        return []
    is_french = language == "fr"
    said = [_pledge(fund, language) for fund in state.funds]
    if state.giving is None:
        return said
    if state.holds:
        said.append(
            "Le jumelage vous est réservé pendant que vous payez\u00a0: ce qui vous est montré est ce qui est donné."
            if is_french
            else "The matching is held for you while you pay, so that what you are shown is what is given."
        )
    else:
        said.append(
            "Un don est jumelé au moment où il est payé, tant qu’il reste alors du jumelage."
            if is_french
            else "A gift is matched when it is paid, as long as there is matching left then."
        )
    return said


def _pledge(fund: FundState, language: str) -> str:
    pledged, conditions = written_short(fund.pledged_cents, language), _conditions(fund, language)
    if fund.ratio.numerator == fund.ratio.denominator:
        rule = "un dollar pour chaque dollar donné" if language == "fr" else "one dollar for each dollar given"
    else:
        added, given = _added(fund.ratio, language)
        rule = f"{added} pour chaque {given}" if language == "fr" else f"{added} for each {given} given"
    if language == "fr":
        return f"{fund.name} s’est engagé à verser {rule}, jusqu’à {pledged} en tout{conditions}."
    return f"{fund.name} pledged {rule}, up to {pledged} in all{conditions}."


def each_month(state: MatchState, language: str) -> str:
    """What giving month after month means, and what the match does then, as it stands now."""
    french = language == "fr"
    own = (
        "Chaque mois est un don à part, avec son propre reçu. Changez la somme ou arrêtez quand vous voulez."
        if french
        else "Each month is a gift of its own, with a receipt of its own. Change the sum or stop whenever you like."
    )
    if state.giving is None:
        return own
    matched = (
        "Chaque don est jumelé à son tour, tant qu’il reste de l’argent de jumelage\u00a0; le courriel du mois dit ce qu’il est devenu."
        if french
        else "Each is matched in its turn, as long as matching money is left; the mail of the month says what it came to."
    )
    return f"{own} {matched}"


def held_while_paying(state: MatchState, language: str) -> str:
    """The promise that goes with the button; empty when there is nothing to hold."""
    if state.giving is None:
        return ""
    if not state.holds:
        return (
            "Le jumelage est décidé quand votre paiement arrive, tant qu’il en reste."
            if language == "fr"
            else "The matching is decided when your payment arrives, as long as there is some left."
        )
    if language == "fr":
        return "Le jumelage vous est réservé pendant que vous payez."
    return "The matching is held for you while you pay."


def finishing(gift_cents: int, language: str) -> str:
    """What a gift does that takes exactly what is left."""
    gift = written_short(gift_cents, language)
    return f"Compléter le jumelage\u00a0: {gift}" if language == "fr" else f"Finish the match: {gift}"


def quote(quoted: Quote, language: str) -> str:
    """What a gift becomes, said before paying."""
    gift, match = written_short(quoted.gift_cents, language), written_short(quoted.match_cents, language)
    together = written_short(quoted.gift_cents + quoted.match_cents, language)
    reason = _reason(quoted, language)
    if quoted.match_cents == 0:
        if language == "fr":
            return f"Votre don de {gift} ne peut pas être jumelé pour l’instant{reason}."
        return f"Your gift of {gift} cannot be matched right now{reason}."
    if reason:
        if language == "fr":
            return f"Votre don de {gift} est jumelé en partie\u00a0: {match}{reason}. Ensemble\u00a0: {together}."
        return f"Your gift of {gift} is matched in part: {match}{reason}. Together: {together}."
    if language == "fr":
        now = "" if quoted.holds else ", s’il reste du jumelage quand il arrive"
        return f"Votre don de {gift} + {match} de jumelage = {together}{now}."
    now = "" if quoted.holds else ", if there is matching left when it arrives"
    return f"Your gift of {gift} + {match} matched = {together}{now}."


def _reason(quoted: Quote, language: str) -> str:
    """Why not in full, as the rest of a sentence."""
    is_french, fund = language == "fr", quoted.fund
    if quoted.limit is None:
        return ""
    if quoted.limit is Limit.USED_UP and quoted.match_cents:
        return ", tout ce qui reste du fonds" if is_french else ", all that is left of the fund"
    if quoted.limit is Limit.USED_UP and fund is not None and fund.held_cents:
        return (
            "\u00a0: tout ce qui reste est réservé à des dons en cours" if is_french else ": all that is left is held for gifts under way"
        )
    if quoted.limit is Limit.MINIMUM and fund is not None:
        least = written_short(fund.minimum_cents, language)
        return f"\u00a0: le jumelage va aux dons de {least} et plus" if is_french else f": matching is for gifts of {least} or more"
    english, french = _REASONS[quoted.limit] if quoted.match_cents else _REASONS_FOR_NONE.get(quoted.limit, _REASONS[quoted.limit])
    return french if is_french else english


_REASONS = {
    Limit.USED_UP: (": the matching has all been used", "\u00a0: tout le jumelage a été utilisé"),
    Limit.PAUSED: (": the matching is paused", "\u00a0: le jumelage est suspendu"),
    Limit.NOT_OPEN_YET: (": the matching has not begun", "\u00a0: le jumelage n’a pas commencé"),
    Limit.CLOSED: (": the matching has ended", "\u00a0: le jumelage est terminé"),
    Limit.MINIMUM: (": it is below the least gift that is matched", "\u00a0: il est sous le plus petit don jumelé"),
    Limit.PER_DONATION: (", the most for one gift", ", le plus pour un don"),
    Limit.PER_DONOR: (", the most for one donor", ", le plus pour un donateur"),
    Limit.EARLIER_GIFTS: (
        ": what has come free goes to earlier gifts first",
        "\u00a0: ce qui se libère revient d’abord aux dons déjà faits",
    ),
    Limit.HELD_ELSEWHERE: (
        ": too many gifts that are not paid yet hold matching from here",
        "\u00a0: trop de dons pas encore payés retiennent déjà du jumelage d’ici",
    ),
}
_REASONS_FOR_NONE = {
    Limit.PER_DONATION: (": the most for one gift is reached", "\u00a0: le plus pour un don est atteint"),
    Limit.PER_DONOR: (": the most for one donor is reached", "\u00a0: le plus pour un donateur est atteint"),
}
