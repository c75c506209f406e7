"""What emails say about a receipt that has ended: what it showed, which one replaces it, what that one shows, and why."""

from dataclasses import dataclass

from flask_babel import gettext

from campaign.mail.letters.frame import Paragraph
from campaign.receipts.receipts import EndReason, Receipt
from campaign.rules.money import format_money


@dataclass(frozen=True, kw_only=True)
class ReceiptChange:
    """What an e-mail tells about a receipt that has `ended` for this `reason`, and the `receipt` that replaces it; one `follows` when it cannot be issued yet."""

    receipt: Receipt | None = None
    ended: Receipt | None = None
    reason: EndReason | None = None
    follows: bool = False


def about_ended(change: ReceiptChange, language: str) -> list[Paragraph]:
    """That a receipt has ended, and which one replaces it; that one is attached. The caller has set the language with `force_locale`."""
    receipt, ended = change.receipt, change.ended
    if ended is not None and receipt is not None:
        return [Paragraph(_replaced(receipt, ended, language)), Paragraph(why_replaced(receipt, ended, change.reason))]
    if ended is not None:
        return [Paragraph(cancelled(ended, language)), *_about_next(change)]
    if receipt is not None:
        text = gettext(
            "Your official receipt no. %(new)s for what is left of the gift, %(amount)s, is attached.",
            new=receipt.serial,
            amount=format_money(receipt.cents, language),
        )
        return [Paragraph(text)]
    return []


def cancelled(ended: Receipt, language: str) -> str:
    """That a receipt is cancelled and must not be used."""
    return gettext(
        "Official receipt no. %(old)s, which showed %(amount)s, is cancelled. Please do not use it for your taxes.",
        old=ended.serial,
        amount=format_money(ended.cents, language),
    )


def _replaced(receipt: Receipt, ended: Receipt, language: str) -> str:
    """Both receipts with their amounts, and both names when they differ. No sentence ends with a name, which may end with a period."""
    name, old_name = receipt.content["donor_name"], ended.content["donor_name"]
    new = {"new": receipt.serial, "amount": format_money(receipt.cents, language), "name": name}
    old = {"old": ended.serial, "old_amount": format_money(ended.cents, language)}
    if name == old_name:
        return gettext(
            "Official receipt no. %(old)s, which showed %(old_amount)s, is cancelled and replaced by no. %(new)s, which is attached: it shows %(amount)s, in the name of %(name)s as before. Please use only the new one.",
            **old,
            **new,
        )
    return gettext(
        "Official receipt no. %(old)s, which showed %(old_amount)s and the name “%(old_name)s”, is cancelled and replaced by no. %(new)s, which is attached: it shows %(amount)s and the name “%(name)s”. Please use only the new one.",
        old_name=old_name,
        **old,
        **new,
    )


def why_replaced(receipt: Receipt, ended: Receipt, reason: EndReason | None) -> str:
    """Why the one replaces the other; empty for a payment that was noted wrongly, as the email is about that."""
    match reason:
        case EndReason.RETURNED if receipt.cents > ended.cents:
            return gettext("It was replaced because money that had been returned to you has come back to us.")
        case EndReason.RETURNED:
            return gettext("It was replaced because money was returned to you: a receipt shows only what remains of the gift.")
        case EndReason.LOST:
            return gettext("It was replaced because it was reported to us as lost.")
        case EndReason.CORRECTED if receipt.content["donor_name"] == ended.content["donor_name"]:
            return gettext("It was replaced because your address was corrected.")
        case EndReason.CORRECTED:
            return gettext("It was replaced because the name was corrected.")
        case _:
            return ""


def _about_next(change: ReceiptChange) -> list[Paragraph]:
    return [Paragraph(gettext("A new receipt, for the rest of your gift, will follow by email."))] if change.follows else []
