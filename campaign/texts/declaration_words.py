"""The words with which donors declare that the money of their gift is an organization's. They are stored as they were shown."""

from campaign.texts.catalogue import gettext_noop, translator

_IN_FORM = gettext_noop("I declare that the money of this gift is the organization’s, and that the official receipt is to be in its name.")
_ON_PAGE = gettext_noop("I declare that the money of this gift is that of %(name)s, and that the official receipt is to be in its name.")
_OF_MONTHS = gettext_noop(
    "I declare that the money of this monthly gift is that of %(name)s, and that its official receipts are to be in this name."
)

_OF_PAYMENT = gettext_noop("The account of the cheque or transfer is in this name: %(name)s")


def words_in_form(language: str) -> str:
    """Beside the field in which the organization is typed."""
    return translator(language).gettext(_IN_FORM)


def words_on_page(name: str, language: str, *, is_monthly: bool) -> str:
    """On the page of a gift that was made under the name of an organization."""
    return translator(language).gettext(_OF_MONTHS if is_monthly else _ON_PAGE, name=name)


def words_of_payment(name: str, language: str) -> str:
    """What staff read on a cheque or transfer."""
    return translator(language).gettext(_OF_PAYMENT, name=name)
