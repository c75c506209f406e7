"""The names of the elements of an official receipt, for staff who complete what is missing."""

from collections.abc import Sequence

from campaign.texts.catalogue import gettext_noop, translator

_NAMES = {
    "language": gettext_noop("the language"),
    "charity_name": gettext_noop("the charity’s name"),
    "charity_address": gettext_noop("the charity’s address"),
    "registration_number": gettext_noop("the registration number"),
    "place_of_issue": gettext_noop("the place of issue"),
    "received_on": gettext_noop("the date the gift was received"),
    "issued_on": gettext_noop("the date of issue"),
    "donor_name": gettext_noop("the donor’s full name"),
    "donor_address": gettext_noop("the donor’s address"),
    "charity_status": gettext_noop("the answer whether the funder is a registered charity"),
    "funder_name": gettext_noop("the funder’s legal name"),
    "funder_address": gettext_noop("the funder’s address"),
    "amount_cents": gettext_noop("the amount of the gift"),
    "advantage_cents": gettext_noop("the amount of the advantage"),
    "eligible_cents": gettext_noop("the eligible amount"),
    "signatory_name": gettext_noop("the name of the signatory"),
    "signatory_title": gettext_noop("the title of the signatory"),
    "currency": gettext_noop("the currency"),
    "check_url": gettext_noop("the address where it can be checked"),
    "confirmation": gettext_noop("the confirmation of the charity’s legal details"),
    "payment": gettext_noop("the payment"),
    "one_name": gettext_noop("one name for all its gifts (correct the name of one of them, for this gift: the others get it too)"),
    "declaration": gettext_noop("the donor’s declaration that the money is the organization’s"),
}


def describe_missing(names: Sequence[str], language: str) -> str:
    """Return the missing elements as a list in words: `the donor’s address, the place of issue`.

    An element that cannot be printed has the characters after its name.
    """
    to = translator(language)
    elements = (name.partition(" ")[::2] for name in names)
    return ", ".join(_describe(to.gettext(_NAMES[name]), characters, language) for name, characters in elements if name in _NAMES)


def _describe(element: str, characters: str, language: str) -> str:
    if not characters:
        return element
    return translator(language).gettext("%(element)s (“%(characters)s” cannot be printed)", element=element, characters=characters)
