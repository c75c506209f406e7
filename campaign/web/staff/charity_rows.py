"""The charity's details as pages of staff show them: the names of their groups, pictures, and what was confirmed before a change."""

from base64 import b64encode

from flask_babel import gettext

from campaign.campaigns.charities import Charity
from campaign.receipts import charity_confirmations, printed_pictures
from campaign.rules.charity_details import CONFIRMED, Detail, text_of


def name_of_group(group: str) -> str:
    """The name of a group of details."""
    return {
        "legal": gettext("Legal details"),
        "signatory": gettext("Who signs"),
        "pictures": gettext("Pictures"),
        "contact": gettext("Contact, and fiscal year"),
    }[group]


def picture_of(detail: Detail, digest: str) -> str:
    """The stored picture as an address that has it; empty for a detail that is text, or without a picture."""
    if detail not in charity_confirmations.TABLES or not digest:
        return ""
    png = printed_pictures.get_picture(charity_confirmations.TABLES[detail], digest)
    return f"data:image/png;base64,{b64encode(png).decode()}"


def changed_since_confirmed(charity: Charity) -> dict[Detail, str]:
    """The details that have changed since somebody confirmed them last, each as it was."""
    confirmed, details = charity_confirmations.confirmed_details(charity), charity_confirmations.details_of(charity)
    was = {detail: confirmed[detail.value] for detail in CONFIRMED if detail.value in confirmed}
    texts = {detail: value if isinstance(value, str) else "\n".join(value) for detail, value in was.items()}
    return {detail: text for detail, text in texts.items() if text != text_of(details, detail)}
