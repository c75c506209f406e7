"""Why staff cannot have what they asked for, in one sentence that says what to do, in both languages."""

from enum import StrEnum

from campaign.rules.money import written


class Refusal(StrEnum):
    """What stands in the way."""

    NOT_PAID = "not paid"
    UNDER_WAY = "under way"
    DISPUTED = "disputed"
    NOTHING_LEFT = "nothing left"
    TOO_MUCH = "too much"
    STRIPE_SAID_NO = "stripe said no"
    NOT_OURS = "not ours"
    NO_SUCH_PAYMENT = "no such payment"
    DECIDED = "decided"
    NOT_ACCEPTABLE = "not acceptable"
    PARTLY_BACK = "partly back"
    RECEIPT_IS_ISSUED = "receipt is issued"
    NO_RECEIPT = "no receipt"
    NOTHING_CHANGED = "nothing changed"
    ANOTHER_PERSON = "another person"


SENTENCES: dict[Refusal, tuple[str, str]] = {
    Refusal.NOT_PAID: (
        "This gift was not paid, so nothing can be given back.",
        "Ce don n’a pas été payé\u00a0: rien ne peut être remboursé.",
    ),
    Refusal.UNDER_WAY: (
        "A refund of {sum} of this gift is under way; ask again when it has ended.",
        "Un remboursement de {sum} de ce don est en cours\u00a0; redemandez quand il sera terminé.",
    ),
    Refusal.DISPUTED: (
        "The donor disputes this payment: it cannot be refunded until the dispute is decided.",
        "Le donateur conteste ce paiement\u00a0: il ne peut être remboursé avant la fin du litige.",
    ),
    Refusal.NOTHING_LEFT: ("Nothing is left of this gift to be given back.", "Il ne reste rien à rembourser de ce don."),
    Refusal.TOO_MUCH: ("Only {sum} is left of what was paid.", "Il ne reste que {sum} de ce qui a été payé."),
    Refusal.STRIPE_SAID_NO: ("Stripe refused the refund: {said}", "Stripe a refusé le remboursement\u00a0: {said}"),
    Refusal.NOT_OURS: (
        "This payment is not ours to give back: it is of another donation, or of the other mode. Set it aside.",
        "Ce paiement n’est pas à nous de rembourser\u00a0: il est d’un autre don ou de l’autre mode. Mettez-le de côté.",
    ),
    Refusal.NO_SUCH_PAYMENT: ("There is no such payment in quarantine.", "Ce paiement n’est pas en quarantaine."),
    Refusal.DECIDED: ("Somebody has decided on this payment already.", "Quelqu’un a déjà décidé de ce paiement."),
    Refusal.NOT_ACCEPTABLE: (
        "The books cannot hold this payment as a gift: give it back, or set it aside.",
        "Les livres ne peuvent accueillir ce paiement comme don\u00a0: remboursez-le ou mettez-le de côté.",
    ),
    Refusal.PARTLY_BACK: (
        "Part of this payment went back already: give back the rest, and ask the donor to give again.",
        "Une partie de ce paiement est déjà retournée\u00a0: remboursez le reste et demandez au donateur de refaire son don.",
    ),
    Refusal.RECEIPT_IS_ISSUED: (
        "The receipt of this gift is issued already. To have it corrected, please write to us.",
        "Le reçu de ce don est déjà délivré. Pour le faire corriger, veuillez nous écrire.",
    ),
    Refusal.NO_RECEIPT: (
        "No receipt stands for this gift, so there is nothing to send, replace or cancel.",
        "Aucun reçu n’est en vigueur pour ce don\u00a0: il n’y a rien à envoyer, à remplacer ou à annuler.",
    ),
    Refusal.NOTHING_CHANGED: (
        "Name and address are as they were, so the receipt stays.",
        "Le nom et l’adresse n’ont pas changé\u00a0: le reçu reste.",
    ),
    Refusal.ANOTHER_PERSON: (
        "Whoever asks cannot agree too: a second person decides.",
        "Qui demande ne peut pas aussi approuver\u00a0: une deuxième personne décide.",
    ),
}


def say(refusal: Refusal, language: str, *, cents: int = 0, said: str = "") -> str:
    """The sentence; `cents` and `said` fill its blanks."""
    english, french = SENTENCES[refusal]
    return (french if language == "fr" else english).format(sum=written(cents, language), said=said)
