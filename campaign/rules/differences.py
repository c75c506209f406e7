"""Differences between our books and Stripe's, each in one sentence, in both languages."""

from collections.abc import Mapping
from enum import StrEnum

from campaign.rules.money import written


class Kind(StrEnum):
    """What differs."""

    MONTH_MISSING = "month missing"
    PAYMENT_MISSING = "payment missing"
    PAYMENT_DIFFERS = "payment differs"
    PAYMENT_NOT_THERE = "payment not there"
    BACK_MISSING = "money back missing"
    BACK_DIFFERS = "money back differs"
    BACK_NOT_THERE = "money back not there"
    LINE_MISSING = "line missing"
    LINE_DIFFERS = "line differs"
    LINE_NOT_THERE = "line not there"
    PAYOUT_MISSING = "payout missing"
    PAYOUT_DIFFERS = "payout differs"
    PAYOUT_NOT_THERE = "payout not there"
    BALANCE_DIFFERS = "balance differs"
    NOT_LISTED = "not listed"


SENTENCES: dict[Kind, tuple[str, str]] = {
    Kind.MONTH_MISSING: (
        "Stripe has a month of a monthly gift, {object}, paid with {theirs}, that our books do not have.",
        "Stripe a un mois d’un don mensuel, {object}, payé avec {theirs}, que nos livres n’ont pas.",
    ),
    Kind.PAYMENT_MISSING: (
        "Stripe has a payment of {theirs}, {object}, that our books do not have.",
        "Stripe a un paiement de {theirs}, {object}, que nos livres n’ont pas.",
    ),
    Kind.PAYMENT_DIFFERS: (
        "The payment {object} is of {theirs} at Stripe and of {ours} in our books.",
        "Le paiement {object} est de {theirs} chez Stripe et de {ours} dans nos livres.",
    ),
    Kind.PAYMENT_NOT_THERE: (
        "Our books have a payment of {ours}, {object}, that Stripe does not have as paid ({status}).",
        "Nos livres ont un paiement de {ours}, {object}, que Stripe n’a pas comme payé ({status}).",
    ),
    Kind.BACK_MISSING: (
        "Stripe has the {what} {object} of {theirs} ({status}) that our books do not have.",
        "Stripe a {what} {object} de {theirs} ({status}) que nos livres n’ont pas.",
    ),
    Kind.BACK_DIFFERS: (
        "The {what} {object} is of {theirs}, {status}, at Stripe, and of {ours}, {our_status}, in our books.",
        "{what} {object} est de {theirs}, {status}, chez Stripe, et de {ours}, {our_status}, dans nos livres.",
    ),
    Kind.BACK_NOT_THERE: (
        "Our books have the {what} {object} of {ours} that Stripe does not have.",
        "Nos livres ont {what} {object} de {ours} que Stripe n’a pas.",
    ),
    Kind.LINE_MISSING: (
        "Stripe’s balance moved by {theirs} ({type}, fee {fee}) with {object}, which our books do not have.",
        "Le solde de Stripe a bougé de {theirs} ({type}, frais {fee}) avec {object}, que nos livres n’ont pas.",
    ),
    Kind.LINE_DIFFERS: (
        "The line {object} is of {theirs} with a fee of {fee} at Stripe, and of {ours} with {our_fee} in our books.",
        "La ligne {object} est de {theirs} avec des frais de {fee} chez Stripe, et de {ours} avec {our_fee} dans nos livres.",
    ),
    Kind.LINE_NOT_THERE: (
        "Our books have a line of {ours}, {object}, that Stripe’s balance does not have.",
        "Nos livres ont une ligne de {ours}, {object}, que le solde de Stripe n’a pas.",
    ),
    Kind.PAYOUT_MISSING: (
        "Stripe has a payout of {theirs}, {object} ({status}), that our books do not have.",
        "Stripe a un virement de {theirs}, {object} ({status}), que nos livres n’ont pas.",
    ),
    Kind.PAYOUT_DIFFERS: (
        "The payout {object} is of {theirs}, {status}, at Stripe, and of {ours}, {our_status}, in our books.",
        "Le virement {object} est de {theirs}, {status}, chez Stripe, et de {ours}, {our_status}, dans nos livres.",
    ),
    Kind.PAYOUT_NOT_THERE: (
        "Our books have a payout of {ours}, {object}, that Stripe does not have.",
        "Nos livres ont un virement de {ours}, {object}, que Stripe n’a pas.",
    ),
    Kind.BALANCE_DIFFERS: (
        "Stripe’s balance is {theirs} {object}; the lines in our books come to {ours}.",
        "Le solde de Stripe est de {theirs} {object}\u00a0; les lignes de nos livres donnent {ours}.",
    ),
    Kind.NOT_LISTED: (
        "Stripe does not list its {object} for us, so they were not compared: {status}",
        "Stripe ne nous donne pas la liste {object}, qui n’a donc pas été comparée\u00a0: {status}",
    ),
}
WHAT_IN_FRENCH = {"refund": "le remboursement", "dispute": "le litige"}
STATUS_IN_FRENCH = {
    "unknown": "inconnu",
    "pending": "en attente",
    "requires_action": "en attente du donateur",
    "requires_payment_method": "non payé",
    "processing": "en cours",
    "succeeded": "réussi",
    "failed": "échoué",
    "canceled": "annulé",
    "needs_response": "à répondre",
    "under_review": "à l’étude",
    "won": "gagné",
    "lost": "perdu",
    "in_transit": "en route",
    "paid": "arrivé",
}


def say(kind: Kind, object_id: str, detail: Mapping[str, object], language: str) -> str:
    """The sentence; sums in the detail are cents under `theirs`, `ours`, `fee` and `our_fee`."""
    english, french = SENTENCES[kind]
    blanks: dict[str, object] = dict.fromkeys(("theirs", "ours", "fee", "our_fee", "status", "our_status", "what", "type"), "")
    blanks |= {name: written(value, language) if isinstance(value, int) else value for name, value in detail.items()}
    if language == "fr":
        blanks["what"] = WHAT_IN_FRENCH.get(str(blanks["what"]), blanks["what"])
        blanks |= {name: STATUS_IN_FRENCH.get(str(blanks[name]), blanks[name]) for name in ("status", "our_status")}
        told = french.format(object=object_id, **blanks)
        return told[:1].upper() + told[1:]
    return english.format(object=object_id, **blanks)
