"""The letter to staff about what needs a person, in both languages, as nobody has asked them which they read."""

from collections.abc import Mapping

from flask_babel import force_locale, gettext, ngettext

from campaign.giving.charities import Charity
from campaign.giving.mails import Letter
from campaign.letters.frame import Paragraph, Reader, letter

LANGUAGES = ("en", "fr")


def needs_a_person(counted: Mapping[str, int], *, recipient: str, charity: Charity, url: str, is_test: bool) -> Letter:
    """`counted` says how many there are of each need (reporting/needs.py); `url` is the staff's first page."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            paragraphs.append(Paragraph(gettext("This needs a person:")))
            paragraphs += [Paragraph("– " + sentence(name, count)) for name, count in counted.items()]
            paragraphs.append(Paragraph(gettext("Everything is on your first page:"), url))
            subjects.append(gettext("Needs a person"))
            endings.append(gettext("With thanks,"))
    reader = Reader(address=recipient, name="", greeted_as="", language=LANGUAGES[0], charity=charity, is_test=is_test)
    greeting = " / ".join(map(charity.name, LANGUAGES))
    with force_locale(reader.language):
        return letter(reader, " / ".join(subjects), paragraphs, greeting=greeting, ending=" / ".join(endings))


def sentence(name: str, count: int) -> str:
    """One need, in the language that is set."""
    match name:
        case "findings":
            words = ngettext("%(num)s finding in the books", "%(num)s findings in the books", count)
        case "paused_funds":
            words = ngettext("%(num)s fund is paused", "%(num)s funds are paused", count)
        case "quarantined":
            words = ngettext(
                "%(num)s payment is in quarantine and waits for a decision.",
                "%(num)s payments are in quarantine and wait for a decision.",
                count,
            )
        case "dead_events":
            words = ngettext("%(num)s event from Stripe could not be handled.", "%(num)s events from Stripe could not be handled.", count)
        case "differences":
            words = ngettext(
                "%(num)s difference between our books and Stripe’s is open.",
                "%(num)s differences between our books and Stripe’s are open.",
                count,
            )
        case "webhooks_silent":
            words = gettext("Stripe’s webhooks are silent.")
        case "dead_mail":
            words = ngettext("%(num)s mail could not be delivered.", "%(num)s mails could not be delivered.", count)
        case "returned_mail":
            words = ngettext("%(num)s mail came back.", "%(num)s mails came back.", count)
        case "returns_due":
            words = ngettext(
                "%(num)s information return about a returned gift is due.",
                "%(num)s information returns about returned gifts are due.",
                count,
            )
        case "voids":
            words = ngettext(
                "%(num)s receipt waits for a second person to void it.", "%(num)s receipts wait for a second person to void them.", count
            )
        case _:
            words = ngettext("%(num)s receipt waits for what it lacks", "%(num)s receipts wait for what they lack", count)
    return str(words)
