"""What we say in public about the match, made from the live rule and balance, in both languages.

When the fund is used up the claim is gone in the same second; no template holds such a claim of its own.
"""

from dataclasses import dataclass

from campaign.rules.money import written_short


@dataclass(frozen=True, kw_only=True)
class MatchState:
    """What the words depend on: the first fund's name and ratio, and what is left in all funds."""

    fund_name: str
    ratio_numerator: int
    ratio_denominator: int
    available_cents: int
    held_cents: int
    pledged_cents: int


def campaign_claim(state: MatchState | None, language: str) -> str:
    """One sentence at the head of the campaign page."""
    if state is None:
        return ""
    left = written_short(state.available_cents, language)
    if state.available_cents > 0:
        each = _each_dollar(state, language)
        if language == "fr":
            return f"{state.fund_name}\u00a0: {each}. Il reste {left} de jumelage."
        return f"{state.fund_name} {each}. {left} of matching is left."
    if state.held_cents > 0:
        if language == "fr":
            return f"{state.fund_name}\u00a0: tout le jumelage est réservé à des dons en cours. Il peut s’en libérer\u00a0; votre don compte en entier."
        return (
            f"All of the matching from {state.fund_name} is being held for gifts under way. Some may come free; your gift counts in full."
        )
    if language == "fr":
        return f"{state.fund_name}\u00a0: tout le jumelage a été utilisé. Votre don compte toujours en entier."
    return f"The matching from {state.fund_name} has all been used. Your gift still counts in full."


def _each_dollar(state: MatchState, language: str) -> str:
    if state.ratio_numerator == state.ratio_denominator:
        return "chaque dollar donné est doublé" if language == "fr" else "doubles every dollar you give"
    cents = state.ratio_numerator * 100 // state.ratio_denominator
    added = written_short(cents, language)
    return f"à chaque dollar donné s’ajoutent {added}" if language == "fr" else f"adds {added} to every dollar you give"


def held_while_paying(state: MatchState | None, language: str) -> str:
    """The promise that goes with the button; empty when there is nothing left to hold."""
    if state is None or state.available_cents == 0:
        return ""
    if language == "fr":
        return "Le jumelage vous est réservé pendant que vous payez."
    return "The matching is held for you while you pay."


def quote(*, gift_cents: int, match_cents: int, full_cents: int, language: str) -> str:
    """What a gift becomes, said before paying. `full_cents` is the match of a fund with no end."""
    gift, match = written_short(gift_cents, language), written_short(match_cents, language)
    together = written_short(gift_cents + match_cents, language)
    if match_cents == 0:
        return (
            f"Votre don de {gift} ne peut pas être jumelé pour l’instant."
            if language == "fr"
            else f"Your gift of {gift} cannot be matched right now."
        )
    if match_cents < full_cents:
        if language == "fr":
            return f"Votre don de {gift} est jumelé en partie\u00a0: {match}, tout ce qui reste du fonds. Ensemble\u00a0: {together}."
        return f"Your gift of {gift} is matched in part: {match}, all that is left of the fund. Together: {together}."
    if language == "fr":
        return f"Votre don de {gift} + {match} de jumelage = {together}."
    return f"Your gift of {gift} + {match} matched = {together}."


def outcome(*, gift_cents: int, held_cents: int, matched_cents: int, fund_name: str, language: str) -> str:
    """What became of the match of one gift, for the donor's own page and mail; empty when there was none to speak of."""
    gift = written_short(gift_cents, language)
    if matched_cents > 0:
        match, together = written_short(matched_cents, language), written_short(gift_cents + matched_cents, language)
        if language == "fr":
            return f"{match} de jumelage ({fund_name}) s’ajoutent à votre don de {gift}\u00a0: la recherche reçoit {together}."
        return f"{fund_name} adds {match} to your gift of {gift}: research receives {together}."
    if held_cents > 0:
        match = written_short(held_cents, language)
        return (
            f"{match} de jumelage vous sont réservés pendant que vous payez."
            if language == "fr"
            else f"{match} of matching is held for you while you pay."
        )
    return ""
