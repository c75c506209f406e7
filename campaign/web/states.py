"""What states are called on pages, in the language spoken."""

from flask_babel import gettext

from campaign.giving import mails, receipts
from campaign.giving.standing import State


def state_words() -> dict[State, str]:
    """Each state of a donation in a word or two."""
    return {
        State.PENDING: gettext("not paid yet"),
        State.PROCESSING: gettext("payment under way"),
        State.PAID: gettext("paid"),
        State.REFUNDED: gettext("refunded"),
        State.PARTIALLY_REFUNDED: gettext("refunded in part"),
        State.DISPUTED: gettext("in dispute"),
        State.FAILED: gettext("payment failed"),
        State.EXPIRED: gettext("not completed"),
        State.QUARANTINED: gettext("in quarantine"),
    }


def receipt_words() -> dict[str, str]:
    """How a receipt stands."""
    return {
        receipts.Status.VALID.value: gettext("valid"),
        receipts.Status.REPLACED.value: gettext("replaced"),
        receipts.Status.CANCELLED.value: gettext("cancelled"),
    }


def because_words() -> dict[str, str]:
    """Why a receipt was ended."""
    return {
        receipts.Because.RETURNED.value: gettext("money of the gift went back"),
        receipts.Because.CORRECTED.value: gettext("name or address was corrected"),
        receipts.Because.LOST.value: gettext("it was lost"),
        receipts.Because.VOID.value: gettext("it was voided by two people"),
    }


def mail_words() -> dict[mails.State, str]:
    """Where a mail stands."""
    return {
        mails.State.READY: gettext("waits to be sent"),
        mails.State.SENDING: gettext("is being sent"),
        mails.State.SENT: gettext("sent"),
        mails.State.UNKNOWN: gettext("perhaps sent; it goes out once more"),
        mails.State.FAILED: gettext("could not be sent"),
        mails.State.RETURNED: gettext("came back"),
        mails.State.NOT_NEEDED: gettext("was not needed"),
    }


def kind_words() -> dict[str, str]:
    """What each kind of mail is about."""
    return {
        "receipt": gettext("Thanks and receipt"),
        "acknowledgement": gettext("Thanks without a receipt"),
        "receipt_again": gettext("Receipt, once more or replaced"),
        "yearly_receipt": gettext("Receipt of the year"),
        "funder_payment": gettext("Money from a funder"),
        "fund_matched": gettext("Pledge matched in full"),
        "staff_notice": gettext("Notice to staff"),
        "money_back": gettext("Money that went or came back"),
        "healed": gettext("Match that was healed"),
        "payment_failed": gettext("Payment that failed"),
        "monthly_failed": gettext("Month that could not be charged"),
        "monthly_stopped": gettext("End of a monthly gift"),
        "monthly_link": gettext("Link to a monthly gift"),
    }
