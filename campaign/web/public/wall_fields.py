"""The fields with which a donor chooses what the campaign's page shows of a gift, on the donation form and on the page of the gift."""

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, Field
from wtforms.validators import StopValidation

from campaign.rules.public_names import Flaw, flaw_of
from campaign.web.public.address_form import FALSE_VALUES, text_field

LONGEST_NAME = 80


class WallFields:
    """The fields, for forms. The name is that which is shown; without one it is the first name."""

    public_name = text_field(lazy_gettext("Name to show"), longest=LONGEST_NAME)
    anonymous = BooleanField(lazy_gettext("Do not show my name"), false_values=FALSE_VALUES)
    show_province = BooleanField(lazy_gettext("Show my province"), false_values=FALSE_VALUES)
    show_tribute = BooleanField(lazy_gettext("Show the dedication"), false_values=FALSE_VALUES)


def check_name(field: Field, *, first_name: str = "", last_name: str = "") -> None:
    """Refuse a text by which somebody can be reached or found, or which has this last name. Raises StopValidation."""
    if flaw := flaw_of(field.data or "", first_name=first_name, last_name=last_name):
        raise StopValidation(describe_flaw(flaw))


def describe_flaw(flaw: Flaw) -> str:
    """What to leave out of a name."""
    return {
        Flaw.EMAIL: gettext("Please enter a name alone, without an email address."),
        Flaw.LINK: gettext("Please enter a name alone, without a web address."),
        Flaw.NUMBER: gettext("Please enter a name alone, without a phone number or another long number."),
        Flaw.LAST_NAME: gettext("Please leave out your last name: the page shows first names only."),
    }[flaw]
