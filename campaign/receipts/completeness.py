"""What a receipt lacks before it may be issued: elements, the confirmation of the charity's details, and characters that no font has."""

from campaign.campaigns.charities import Charity
from campaign.edges import pdf
from campaign.rules import receipt_requirements
from campaign.rules.receipt_requirements import ReceiptContent

CONFIRMATION = "confirmation"
PRINTED = ("charity_name", "charity_address", "place_of_issue", "donor_name", "donor_address", "signatory_name", "signatory_title")


def missing_elements(charity: Charity, content: ReceiptContent) -> list[str]:
    """The names of what is missing (texts/receipt_elements.py); empty when the receipt may be issued.

    An element that cannot be printed is there with the first characters that cannot, such as `donor_name ❤`.
    """
    missing = receipt_requirements.missing_elements(content)
    if not content.is_test and charity.confirmed_at is None:
        missing.append(CONFIRMATION)
    return missing + _unprintable_elements(content)


def _unprintable_elements(content: ReceiptContent) -> list[str]:
    values = {name: getattr(content, name) for name in PRINTED}
    texts = {name: value if isinstance(value, str) else "\n".join(value) for name, value in values.items()}
    characters = pdf.first_unprintable(*texts.values())
    return [f"{name} {characters}" for name, text in texts.items() if characters and characters in text]
