"""What a receipt lacks before it may be issued: elements, declarations, the confirmation of the charity's details, and characters that no font has."""

from collections.abc import Sequence

from campaign.campaigns.charities import Charity
from campaign.donations import declarations
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.rules import receipt_requirements
from campaign.rules.receipt_requirements import ReceiptContent

CONFIRMATION = "confirmation"
ONE_NAME = "one_name"
PRINTED = ("charity_name", "charity_address", "place_of_issue", "donor_name", "donor_address", "signatory_name", "signatory_title")


def missing_elements(charity: Charity, content: ReceiptContent) -> list[str]:
    """The names of what is missing (texts/receipt_elements.py); empty when the receipt may be issued.

    An element that cannot be printed is there with the first characters that cannot, such as `donor_name ❤`.
    """
    missing = receipt_requirements.missing_elements(content)
    if not content.is_test and charity.confirmed_at is None:
        missing.append(CONFIRMATION)
    return missing + _unprintable_elements(content)


def lacks_declaration(donation: Donation) -> bool:
    """Whether the donor has yet to declare that the money of the donation is the organization's, whose name the receipt would bear."""
    return donation.names.bears_organization and not declarations.is_declared(donation)


def missing_for_donations(charity: Charity, content: ReceiptContent, donations: Sequence[Donation], *, replaced_name: str) -> list[str]:
    """As `missing_elements`, with ONE_NAME if these donations bear several names by now: they are on no receipt together until staff correct that.

    With `declaration` too if the receipt takes one that is missing. One that replaces a receipt in the same name takes none: that one was issued
    with a declaration, or before these were asked for.
    """
    missing = missing_elements(charity, content)
    if any(donation.full_name != content.donor_name for donation in donations):
        missing.append(ONE_NAME)
    if replaced_name != content.donor_name and any(map(lacks_declaration, donations)):
        missing.append("declaration")
    return missing


def waits_for_donor(donation: Donation) -> bool:
    """Whether the receipt lacks something that the donor alone can say: a name or address, or whose money it is."""
    return donation.lacks_details or lacks_declaration(donation)


def _unprintable_elements(content: ReceiptContent) -> list[str]:
    values = {name: getattr(content, name) for name in PRINTED}
    texts = {name: value if isinstance(value, str) else "\n".join(value) for name, value in values.items()}
    characters = pdf.first_unprintable(*texts.values())
    return [f"{name} {characters}" for name, text in texts.items() if characters and characters in text]
