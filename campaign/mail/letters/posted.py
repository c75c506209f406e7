"""The letter to a donor without an email address about a receipt on paper that is cancelled or replaced: the emails' words, true on paper."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import force_locale, gettext

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.mail.letters.frame import recipient_of
from campaign.mail.letters.receipt_changes import ReceiptChange, cancelled, why_replaced
from campaign.receipts.receipts import Receipt
from campaign.rules.money import format_money


@dataclass(frozen=True, kw_only=True)
class PaperNotice:
    """A letter as text, ready to be printed."""

    subject: str
    greeting: str
    paragraphs: Sequence[str]
    ending: str


def about_paper(donation: Donation, change: ReceiptChange, *, reasons: Sequence[str]) -> PaperNotice:
    """That the receipt which has `ended` must not be used any more, which one is enclosed or follows, and why.

    `reasons` are what was reversed, in sentences. The donation is one of those on the receipt: its donor, name and language are those of the letter.
    """
    language, title, ended, receipt = donation.language, donation.campaign.title(donation.language), change.ended, change.receipt
    assert ended is not None
    with force_locale(language):
        if receipt is None:
            subject = gettext("Official donation receipt %(serial)s is cancelled – %(campaign)s", serial=ended.serial, campaign=title)
            about = [cancelled(ended, language)]
            if change.follows:
                about.append(gettext("A new receipt, for the rest of your gift, will follow by post."))
        else:
            subject = gettext("Your new official donation receipt %(serial)s – %(campaign)s", serial=receipt.serial, campaign=title)
            about = [_replaced(receipt, ended, language), why_replaced(receipt, ended, change.reason)]
        contact = _contact(donation.campaign.charity)
        return PaperNotice(
            subject=gettext("[TEST] %(subject)s", subject=subject) if not donation.livemode else subject,
            greeting=gettext("Dear %(name)s,", name=recipient_of(donation).greeted_as),
            paragraphs=[text for text in (*reasons, *about, contact) if text],
            ending=gettext("With thanks,"),
        )


def _contact(charity: Charity) -> str:
    if charity.phone:
        return gettext(
            "If anything is not right, please write to the address above or to %(email)s, or call %(phone)s.",
            email=charity.email,
            phone=charity.phone,
        )
    return gettext("If anything is not right, please write to the address above or to %(email)s.", email=charity.email)


def _replaced(receipt: Receipt, ended: Receipt, language: str) -> str:
    """Both receipts with their amounts, and both names when they differ. No sentence ends with a name, which may end with a period."""
    name, old_name = receipt.content["donor_name"], ended.content["donor_name"]
    new = {"new": receipt.serial, "amount": format_money(receipt.cents, language), "name": name}
    old = {"old": ended.serial, "old_amount": format_money(ended.cents, language)}
    if name == old_name:
        return gettext(
            "Official receipt no. %(old)s, which showed %(old_amount)s, is cancelled and replaced by no. %(new)s, which is enclosed: it shows %(amount)s, in the name of %(name)s as before. Please use only the new one.",
            **old,
            **new,
        )
    return gettext(
        "Official receipt no. %(old)s, which showed %(old_amount)s and the name “%(old_name)s”, is cancelled and replaced by no. %(new)s, which is enclosed: it shows %(amount)s and the name “%(name)s”. Please use only the new one.",
        old_name=old_name,
        **old,
        **new,
    )
