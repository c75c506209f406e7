"""What is said of the match of one gift, to its donor and to staff: where it stands, and how it came to that. Both languages.

The sums and reasons come from the books; nothing here is promised that the books do not hold.
"""

from dataclasses import dataclass
from enum import StrEnum

from campaign.rules.matching import Limit
from campaign.rules.money import written_short


class Happening(StrEnum):
    """What can happen in the life of a gift."""

    BEGUN = "begun"
    HELD = "held"
    RELEASED = "released"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"
    PAID = "paid"
    MATCHED = "matched"
    LESS = "less"
    HEALED = "healed"
    REFUNDED = "refunded"
    LOST = "lost"
    REINSTATED = "reinstated"
    UNMATCHED = "unmatched"
    QUARANTINED = "quarantined"
    ACCEPTED = "accepted"


@dataclass(frozen=True, kw_only=True)
class Life:
    """One thing that happened. `why` is a Limit for LESS, and what freed the money for HEALED."""

    what: Happening
    cents: int = 0
    fund_name: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class MatchNow:
    """The match of one gift as it stands. `gift_cents` is net of what was returned; `waits` when more could still come to it."""

    gift_cents: int
    held_cents: int
    matched_cents: int
    fund_name: str
    is_paid: bool
    is_processing: bool = False
    waits: bool = False


def outcome(now: MatchNow, language: str) -> str:
    """What became of the match, for the donor's page and mail; empty when there is none to speak of."""
    if now.is_paid:
        return " ".join(part for part in (_matched(now, language), _less(now, language)) if part)
    if now.held_cents == 0:
        return ""
    match = written_short(now.held_cents, language)
    if now.is_processing:
        return (
            f"{match} de jumelage vous restent réservés jusqu’à la réponse de votre banque."
            if language == "fr"
            else f"{match} of matching stays held for you until your bank has answered."
        )
    return (
        f"{match} de jumelage vous sont réservés pendant que vous payez."
        if language == "fr"
        else f"{match} of matching is held for you while you pay."
    )


def _matched(now: MatchNow, language: str) -> str:
    if now.matched_cents == 0:
        return ""
    gift, match = written_short(now.gift_cents, language), written_short(now.matched_cents, language)
    together = written_short(now.gift_cents + now.matched_cents, language)
    if language == "fr":
        return f"{match} de jumelage ({now.fund_name}) s’ajoutent à votre don de {gift}\u00a0: la recherche reçoit {together}."
    return f"{match} of matching ({now.fund_name}) is added to your gift of {gift}: research receives {together}."


def _less(now: MatchNow, language: str) -> str:
    """Only while more could come: then the donor knows where they stand."""
    if not now.waits:
        return ""
    if language == "fr":
        return "Votre don attend à sa place\u00a0: s’il se libère du jumelage, il y a droit dans l’ordre des dons, et nous vous écrivons."
    return "Your gift keeps its place: if matching comes free, it goes to gifts in their order, and we write to you."


def healed(*, gift_cents: int, matched_cents: int, more_cents: int, fund_name: str, language: str) -> str:
    """The news that more of a gift is matched than when it was paid. Sums in cents; `more_cents` is what has come since."""
    gift, match, more = (written_short(c, language) for c in (gift_cents, matched_cents, more_cents))
    together = written_short(gift_cents + matched_cents, language)
    if language == "fr":
        first = f"{more} de jumelage ({fund_name}) se sont ajoutés à votre don de {gift} depuis son paiement."
        return f"{first} Il est maintenant jumelé à hauteur de {match}\u00a0: la recherche reçoit {together}."
    first = f"{more} of matching ({fund_name}) has come to your gift of {gift} since it was paid."
    return f"{first} It is now matched with {match}: research receives {together}."


def told(life: Life, language: str) -> str:
    """One thing that happened, as a plain sentence."""
    sum_of, fund = written_short(life.cents, language), life.fund_name
    english, french = _SENTENCES[life.what]
    if life.what is Happening.LESS:
        english, french = _LESS.get(Limit(life.why), _LESS[Limit.USED_UP])
    reason = _FREED.get(life.why, _FREED["release"])[language == "fr"] if life.what is Happening.HEALED else ""
    return (french if language == "fr" else english).format(sum=sum_of, fund=fund, reason=reason)


_SENTENCES = {
    Happening.BEGUN: ("A gift of {sum} was begun.", "Un don de {sum} a été commencé."),
    Happening.HELD: ("{sum} of matching was held ({fund}).", "{sum} de jumelage ont été réservés ({fund})."),
    Happening.RELEASED: ("The {sum} that was held is free again ({fund}).", "Les {sum} réservés sont de nouveau libres ({fund})."),
    Happening.EXPIRED: ("The time to pay passed.", "Le temps de payer est passé."),
    Happening.CANCELLED: ("The donor came back without paying.", "La personne est revenue sans payer."),
    Happening.FAILED: ("The payment did not go through.", "Le paiement n’a pas abouti."),
    Happening.PAID: ("The gift of {sum} was paid.", "Le don de {sum} a été payé."),
    Happening.MATCHED: ("{sum} was matched ({fund}).", "{sum} ont été jumelés ({fund})."),
    Happening.LESS: ("", ""),
    Happening.HEALED: (
        "{sum} more was matched ({fund}), because {reason}.",
        "{sum} de plus ont été jumelés ({fund}), parce que {reason}.",
    ),
    Happening.REFUNDED: ("{sum} of the gift was refunded.", "{sum} du don ont été remboursés."),
    Happening.LOST: ("{sum} of the gift was lost in a dispute.", "{sum} du don ont été perdus dans un litige."),
    Happening.REINSTATED: ("{sum} of the gift came back.", "{sum} du don sont revenus."),
    Happening.UNMATCHED: ("{sum} of the match went back to the fund ({fund}).", "{sum} du jumelage sont retournés au fonds ({fund})."),
    Happening.QUARANTINED: (
        "The payment was not as we made it, so it waits for a person.",
        "Le paiement n’était pas comme nous l’avions demandé\u00a0: il attend une personne.",
    ),
    Happening.ACCEPTED: ("A person has accepted the payment as it is.", "Une personne a accepté le paiement tel quel."),
}
_LESS = {
    Limit.USED_UP: (
        "The rest was not matched, because the fund was used up.",
        "Le reste n’a pas été jumelé, parce que le fonds était épuisé.",
    ),
    Limit.PAUSED: (
        "The rest was not matched, because the matching was paused.",
        "Le reste n’a pas été jumelé, parce que le jumelage était suspendu.",
    ),
    Limit.NOT_OPEN_YET: (
        "The rest was not matched, because the matching had not begun.",
        "Le reste n’a pas été jumelé, parce que le jumelage n’avait pas commencé.",
    ),
    Limit.CLOSED: (
        "The rest was not matched, because the matching had ended.",
        "Le reste n’a pas été jumelé, parce que le jumelage était terminé.",
    ),
    Limit.MINIMUM: (
        "It was not matched, because it is below the least gift that is matched.",
        "Il n’a pas été jumelé, parce qu’il est sous le plus petit don jumelé.",
    ),
    Limit.PER_DONATION: (
        "The rest was not matched, because this was the most for one gift.",
        "Le reste n’a pas été jumelé, parce que c’était le plus pour un don.",
    ),
    Limit.PER_DONOR: (
        "The rest was not matched, because this was the most for one donor.",
        "Le reste n’a pas été jumelé, parce que c’était le plus pour un donateur.",
    ),
    Limit.EARLIER_GIFTS: (
        "The rest was not matched yet, because what had come free went to earlier gifts first.",
        "Le reste n’a pas encore été jumelé, parce que ce qui s’était libéré revenait d’abord aux dons précédents.",
    ),
}
_FREED = {
    "refund": ("another gift was refunded", "un autre don a été remboursé"),
    "dispute": ("another gift was lost in a dispute", "un autre don a été perdu dans un litige"),
    "release": ("a gift under way was not completed", "un don en cours n’a pas été complété"),
    "quarantine": ("another payment was set aside", "un autre paiement a été mis de côté"),
    "pledge": ("the pledge was raised", "l’engagement du fonds a été augmenté"),
    "resumed": ("the matching goes on", "le jumelage a repris"),
    "activated": ("a new fund began", "un nouveau fonds a commencé"),
}
