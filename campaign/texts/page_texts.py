"""The texts of a charity's public pages as long as it has set none of its own: how accessible the pages are, how gifts are refunded, and the terms.

They promise only what the service does, and what a charity with an email address can do. Their format is that of what staff write (rules/page_text.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from campaign.rules.page_text import PageKind
from campaign.texts.catalogue import Translator, translator

REFUND_DAYS = 30
ANSWER_DAYS = 5


@dataclass(frozen=True, kw_only=True)
class Organization:
    """Of a charity, what the texts name: who it is, and how people reach it. Without a phone number, `phone` is empty."""

    legal_name: str
    registration_number: str
    email: str
    phone: str


def default_text(kind: PageKind, organization: Organization, language: str) -> str:
    """The page's default text in this language; empty for the privacy page, which has facts of its own."""
    return "\n\n".join(_DEFAULTS[kind](organization, translator(language))) if kind in _DEFAULTS else ""


def _reach(organization: Organization, to: Translator) -> str:
    if organization.phone:
        return to.gettext("Write to %(email)s or call %(phone)s: a person answers.", email=organization.email, phone=organization.phone)
    return to.gettext("Write to %(email)s: a person answers.", email=organization.email)


def _accessibility(organization: Organization, to: Translator) -> list[str]:
    tested = [
        to.gettext("Automatic checks of the pages for donors, in light and dark colours"),
        to.gettext("The keyboard alone, and the pages without JavaScript"),
        to.gettext("Screens of 320 pixels, which is a page enlarged four times"),
        to.gettext("Contrast, and sentences instead of colours alone"),
    ]
    limits = [
        to.gettext("The page where you pay is Stripe’s, and we cannot change it."),
        to.gettext(
            "Receipts are PDF files with tags for screen readers. If yours is hard to read, we write its content to you in an email."
        ),
        to.gettext(
            "People who use a screen reader every day have not tested these pages for us yet. If you do, we would like to hear from you."
        ),
    ]
    return [
        to.gettext("Everybody should be able to give here, whatever device or help they use. Our aim is WCAG 2.2, level AA."),
        "## " + to.gettext("What was tested"),
        _listed(tested),
        "## " + to.gettext("What we know is not perfect"),
        _listed(limits),
        "## " + to.gettext("If something does not work for you"),
        to.gettext(
            "Tell us: a person will answer within %(days)s business days, and help you give another way if you like.", days=ANSWER_DAYS
        ),
    ]


def _refunds(organization: Organization, to: Translator) -> list[str]:
    return [
        to.gettext(
            "A wrong amount, a second payment, a change of mind: write to us within %(days)s days of your gift, and we will refund it without asking why. After that, write to us too: we will decide case by case.",
            days=REFUND_DAYS,
        ),
        "## " + to.gettext("How to ask"),
        _reach(organization, to),
        to.gettext(
            "Tell us the day and the amount, or send us the email that thanked you. We answer within %(days)s business days.",
            days=ANSWER_DAYS,
        ),
        to.gettext("The money goes back to the card or account you paid with, usually within ten business days."),
        "## " + to.gettext("Your receipt"),
        to.gettext(
            "When a gift is refunded, its official receipt is cancelled. If part of it is refunded, you will get a new receipt for the rest. If you have already claimed the gift on a tax return, please correct the return."
        ),
        "## " + to.gettext("The match"),
        to.gettext(
            "The match of a refunded gift goes back to its fund, and from there to other gifts that were not fully matched. No other gift loses any."
        ),
        "## " + to.gettext("Monthly gifts"),
        to.gettext("You can stop a monthly gift at any time. What was paid already is refunded as any other gift."),
    ]


def _terms(organization: Organization, to: Translator) -> list[str]:
    return [
        "## " + to.gettext("Who takes your gift"),
        to.gettext(
            "Registered charity: %(charity)s (%(number)s)", charity=organization.legal_name, number=organization.registration_number
        ),
        _reach(organization, to),
        "## " + to.gettext("Your gift"),
        to.gettext(
            "Gifts are in Canadian dollars. You pay on a page of Stripe: we never see your card or account. Your gift counts once the payment has arrived."
        ),
        to.gettext(
            "Give only money that is yours. If you give for an organization, the money must be its own and you must be allowed to act for it."
        ),
        "## " + to.gettext("The match"),
        to.gettext(
            "As long as matching is left, a fund adds to your gift what we tell you before you pay; once your gift is paid, its match falls only if your own payment is refunded, disputed or being checked."
        ),
        "## " + to.gettext("Monthly gifts"),
        to.gettext(
            "A monthly gift is paid each month until you stop it. You can do so at any time, on its page or by writing to us, and it costs nothing."
        ),
        "## " + to.gettext("Receipts"),
        to.gettext(
            "You get an official receipt for income tax. It states your own gift, and never the match, which is the gift of somebody else."
        ),
        "## " + to.gettext("Refunds"),
        to.gettext("Our page about refunds explains when and how we refund a gift."),
        "## " + to.gettext("Law"),
        to.gettext("The laws of Canada apply, and those of the province where the charity has its address."),
    ]


def _listed(items: list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


_DEFAULTS: dict[PageKind, Callable[[Organization, Translator], list[str]]] = {
    PageKind.ACCESSIBILITY: _accessibility,
    PageKind.REFUNDS: _refunds,
    PageKind.TERMS: _terms,
}
