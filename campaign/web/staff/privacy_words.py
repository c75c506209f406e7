"""Words for privacy requests, what is erased, what stays and what is retained, in the current language."""

from flask_babel import gettext, ngettext

from campaign.privacy.erased_columns import Erased
from campaign.privacy.erasure import Prevents, Stays
from campaign.privacy.privacy_requests import ActKind, RequestKind
from campaign.rules.retention import Retained


def kind_labels() -> dict[RequestKind, str]:
    """What a person asks for."""
    return {
        RequestKind.ACCESS: gettext("access to their data"),
        RequestKind.CORRECTION: gettext("a correction"),
        RequestKind.ERASURE: gettext("erasure"),
        RequestKind.PORTABILITY: gettext("their data in a file, to take along"),
        RequestKind.WITHDRAWAL: gettext("withdrawal of consent to news"),
    }


def act_labels() -> dict[ActKind, str]:
    """What was done about a request."""
    return {
        ActKind.RECORDED: gettext("Recorded"),
        ActKind.IDENTIFIED: gettext("Identity verified"),
        ActKind.FOUND: gettext("Person found"),
        ActKind.EXPORTED: gettext("File downloaded"),
        ActKind.ERASED: gettext("Person erased"),
        ActKind.NOTED: gettext("Noted"),
        ActKind.CLOSED: gettext("Closed"),
        ActKind.REOPENED: gettext("Opened again"),
    }


def erased_labels() -> dict[Erased, str]:
    """What is erased."""
    return {
        Erased.ADDRESSES: gettext("Email addresses and choices of the donor"),
        Erased.GIFTS: gettext("Gifts: email, public name, dedication, message, consent to news, links to their pages"),
        Erased.UNPAID: gettext("Gifts that were not paid: name and postal address"),
        Erased.MONTHLY: gettext("Ended monthly gifts: name, address and email for later months"),
        Erased.EMAILS: gettext("Emails that were sent: address, name, subject and text"),
        Erased.DELIVERIES: gettext("What mail servers answered"),
        Erased.LINKS: gettext("Links and codes in emails"),
        Erased.CARDS: gettext("Cards in honour or in memory: to whom, and what they said"),
        Erased.CORRECTIONS: gettext("Corrections of names and addresses, and merges: what it was before and after"),
        Erased.EVENTS: gettext("Reports of Stripe about payments: all but what they are about, and when"),
        Erased.NOTES: gettext("Notes of staff about the person and their gifts"),
        Erased.IMPORTS: gettext("Rows of files from which gifts were recorded"),
        Erased.WALL: gettext("What the campaign’s page shows, or would show, of their gifts"),
        Erased.NAMES: gettext("Names and addresses in the books"),
    }


def stays_labels() -> dict[Stays, str]:
    """What is not erased."""
    return {
        Stays.GIFTS: gettext("Gifts: name and postal address, amount, day, and their number at Stripe"),
        Stays.RECEIPTS: gettext("Official receipts, as they were issued"),
        Stays.DECLARATIONS: gettext("Declarations whose money a gift is"),
    }


def describe_prevented(why: Prevents, count: int) -> str:
    """Why a person cannot be erased yet, and what to do about it."""
    return {
        Prevents.OPEN_PAYMENT: ngettext(
            "A gift is not paid yet and may still be. Its payment page ends within the hour; a bank debit takes some days.",
            "%(num)d gifts are not paid yet and may still be. Their payment pages end within the hour; a bank debit takes some days.",
            count,
        ),
        Prevents.MONTHLY_GIFT: ngettext(
            "A monthly gift is running. Stop it first.", "%(num)d monthly gifts are running. Stop them first.", count
        ),
        Prevents.QUARANTINE: ngettext(
            "A payment in quarantine waits for a decision.", "%(num)d payments in quarantine wait for a decision.", count
        ),
        Prevents.REFUND: ngettext("A refund is under way.", "%(num)d refunds are under way.", count),
        Prevents.DISPUTE: ngettext("A payment is in dispute at the bank.", "%(num)d payments are in dispute at the bank.", count),
        Prevents.RECEIPT: ngettext(
            "An official receipt is still due, for the gift or for the year.",
            "%(num)d official receipts are still due, for a gift or for the year.",
            count,
        ),
        Prevents.RETURN: ngettext(
            "An information return on a returned gift is still to be filed.",
            "%(num)d information returns on returned gifts are still to be filed.",
            count,
        ),
        Prevents.EMAIL: ngettext(
            "An email to the person is still to be sent.", "Emails about %(num)d gifts are still to be sent to the person.", count
        ),
    }[why]


def retained_labels() -> dict[Retained, tuple[str, str]]:
    """What is retained for a time, and what of it is erased then."""
    return {
        Retained.EMAILS: (
            gettext("Emails that were sent"),
            gettext("To whom, the subject and the text; receipts stay. Counted from the day on which they were written."),
        ),
        Retained.EVENTS: (
            gettext("Reports of Stripe"),
            gettext("Names, addresses and cards in them; what they are about and when stays. Banks may dispute a payment for 120 days."),
        ),
        Retained.CHECKOUTS: (
            gettext("Gifts that were not paid"),
            gettext("Name, address, email and all that was typed. Who agreed to news stays until they withdraw."),
        ),
        Retained.LINKS: (gettext("Links and codes in emails"), gettext("The addresses to which they went.")),
        Retained.CARDS: (
            gettext("Cards in honour or in memory"),
            gettext("To whom a donor had us send one, and what it said. Counted from the day on which it was sent."),
        ),
        Retained.SIGN_INS: (gettext("Sign-ins of staff"), gettext("Browser and network of each session.")),
        Retained.REGISTER: (
            gettext("Privacy requests"),
            gettext(
                "Who asked and what staff wrote, counted from the day on which they were closed. What was done, when and by whom stays."
            ),
        ),
        Retained.BOOKS: (
            gettext("Books and receipts"),
            gettext(
                "Names and addresses of donors whose last gift is older than tax law asks for: six years after the end of its fiscal year (Income Tax Act, s. 230). Amounts stay."
            ),
        ),
    }
