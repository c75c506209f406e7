"""Labels of enum values for pages, in the current language."""

from flask_babel import gettext, pgettext

from campaign.donations.declarations import How
from campaign.donations.donations import Donation
from campaign.matching.funds import FundStatus, Leftover
from campaign.outbox import deliveries
from campaign.outbox.message_kinds import MessageKind
from campaign.payments.status import NoGift, ShownState, Status
from campaign.receipts import receipts
from campaign.receipts.information_returns import FilingMethod
from campaign.reporting.donation_filters import MatchLevel, Method
from campaign.reporting.filing_changes import Change
from campaign.reporting.first_receipts import Side
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind
from campaign.rules.return_lines import GiftGroup
from campaign.texts.dedications import dedication
from campaign.web.languages import current_language
from campaign.web.public.regions import countries


def status_labels() -> dict[ShownState, str]:
    """The status of a donation, and what its row and its page say instead when it turned out to be no gift."""
    return {
        Status.PENDING: gettext("not paid yet"),
        Status.PROCESSING: gettext("payment under way"),
        Status.PAID: gettext("paid"),
        Status.REFUNDED: gettext("refunded"),
        Status.PARTIALLY_REFUNDED: gettext("refunded in part"),
        Status.DISPUTED: gettext("in dispute"),
        Status.FAILED: gettext("payment failed"),
        Status.EXPIRED: gettext("not completed"),
        Status.QUARANTINED: gettext("in quarantine"),
        NoGift.RETURNED: gettext("returned by the bank"),
        NoGift.RETURNED_AFTER_PART: gettext("refunded in part, then returned by the bank"),
        NoGift.MISTAKE: gettext("recorded by mistake"),
    }


def match_level_labels() -> dict[MatchLevel, str]:
    """How much of a gift is matched."""
    return {
        MatchLevel.FULL: gettext("matched in full"),
        MatchLevel.PARTIAL: gettext("matched in part"),
        MatchLevel.NONE: gettext("not matched"),
        MatchLevel.WAITING: gettext("waits for match"),
    }


def method_labels() -> dict[Method, str]:
    """How a gift was paid."""
    offline = {Method(method.value): words for method, words in offline_method_labels().items()}
    return {Method.CARD: gettext("card or wallet"), Method.DEBIT: gettext("bank debit"), **offline}


def tribute_labels() -> dict[str, str]:
    """The kinds of tributes, as a name follows them."""
    return {"honour": gettext("In honour of"), "memory": gettext("In memory of")}


def tribute_sentence(donation: Donation) -> str:
    """Whom the donation honours or remembers; empty for one without a tribute."""
    return dedication(donation.tribute_kind, donation.tribute_name, current_language()) if donation.tribute_kind else ""


def language_labels() -> dict[str, str]:
    """The languages of donors."""
    return {"en": gettext("English"), "fr": gettext("French")}


def fund_status_labels() -> dict[FundStatus, str]:
    """The status of a fund."""
    return {
        FundStatus.DRAFT: pgettext("fund", "draft"),
        FundStatus.ACTIVE: pgettext("fund", "active"),
        FundStatus.PAUSED: pgettext("fund", "paused"),
        FundStatus.ENDED: pgettext("fund", "ended"),
    }


def fund_change_labels() -> dict[str, str]:
    """What was done to a fund, by the kind of the change."""
    return {
        "activated": gettext("activated"),
        "pledged": gettext("pledge raised"),
        "paused": gettext("paused"),
        "resumed": gettext("resumed"),
        "ended": gettext("ended"),
    }


def receipt_status_labels() -> dict[str, str]:
    """The status of a receipt."""
    return {
        receipts.Status.VALID.value: gettext("valid"),
        receipts.Status.REPLACED.value: gettext("replaced"),
        receipts.Status.CANCELLED.value: gettext("cancelled"),
    }


def end_reason_labels() -> dict[str, str]:
    """Why a receipt was ended."""
    return {
        receipts.EndReason.RETURNED.value: gettext("money of the gift was returned"),
        receipts.EndReason.CORRECTED.value: gettext("name or address was corrected"),
        receipts.EndReason.LOST.value: gettext("it was lost"),
        receipts.EndReason.VOID.value: gettext("it was voided by two people"),
        receipts.EndReason.WRONG_PAYMENT.value: gettext("the payment was written down wrongly"),
    }


def declaration_labels() -> dict[How, str]:
    """How a donor has declared whose money it is."""
    return {
        How.FORM: gettext("in the donation form"),
        How.PAGE: gettext("on their own page"),
        How.EMAIL: gettext("by email"),
        How.PHONE: gettext("by phone"),
        How.POST: gettext("by post"),
        How.IN_PERSON: gettext("in person"),
        How.SAME_DONOR: gettext("the name was corrected, the donor is the same"),
        How.PAYMENT: gettext("the cheque or account is in this name"),
    }


def contact_labels() -> dict[str, str]:
    """The fields of a name, an address and an email, as forms name them, in their order."""
    return {
        "first_name": gettext("First name"),
        "last_name": gettext("Last name"),
        "organization": gettext("Organization"),
        "in_own_name": gettext("In the person’s own name"),
        "address_line1": gettext("Address"),
        "address_line2": gettext("Apartment, unit, PO box"),
        "city": gettext("City"),
        "province": gettext("Province or territory"),
        "postal_code": gettext("Postal code"),
        "country": gettext("Country"),
        "email": gettext("Email"),
    }


def filing_labels() -> dict[FilingMethod, str]:
    """How an information return was filed."""
    return {
        FilingMethod.MAIL: gettext("on paper, by post"),
        FilingMethod.FAX: gettext("by fax"),
        FilingMethod.PORTAL: gettext("online: My Business Account or Represent a Client"),
        FilingMethod.OTHER: gettext("in another way, as noted"),
    }


def email_state_labels() -> dict[deliveries.EmailState, str]:
    """The state of an e-mail."""
    return {
        deliveries.EmailState.READY: gettext("waits to be sent"),
        deliveries.EmailState.SENDING: gettext("is being sent"),
        deliveries.EmailState.SENT: gettext("sent"),
        deliveries.EmailState.UNKNOWN: gettext("perhaps sent; it goes out once more"),
        deliveries.EmailState.FAILED: gettext("could not be sent"),
        deliveries.EmailState.BOUNCED: gettext("came back"),
        deliveries.EmailState.NOT_NEEDED: gettext("was not needed"),
    }


def leftover_labels() -> dict[Leftover, str]:
    """What becomes of the part of a pledge that is not matched by the end."""
    return {Leftover.RELEASED: gettext("stays with the funder"), Leftover.DONATED: gettext("is given all the same")}


def message_kind_labels() -> dict[MessageKind, str]:
    """The kinds of messages."""
    return {
        MessageKind.RECEIPT: gettext("Thanks and receipt"),
        MessageKind.ACKNOWLEDGEMENT: gettext("Thanks without a receipt"),
        MessageKind.RECEIPT_COPY: gettext("Receipt, once more or replaced"),
        MessageKind.ANNUAL_RECEIPT: gettext("Receipt of the year"),
        MessageKind.FUNDER_PAYMENT: gettext("Money from a funder"),
        MessageKind.FUNDER_PAYMENT_CORRECTED: gettext("Correction of a funder’s payment"),
        MessageKind.FUNDER_PAYMENT_REVERSED: gettext("Reversal of a funder’s payment"),
        MessageKind.FUNDER_PAYMENT_RETURNED: gettext("Return of money to a funder"),
        MessageKind.FUND_CALL: gettext("Call for funds or credit note"),
        MessageKind.FUND_CALL_REMINDER: gettext("Reminder of a call for funds"),
        MessageKind.FUND_CALL_CANCELLED: gettext("A call for funds is cancelled"),
        MessageKind.BANK_DETAILS_CHANGED: gettext("The bank details have changed"),
        MessageKind.PAYMENT_CHANGE_REQUESTED: gettext("Request to change a payment"),
        MessageKind.PAYMENT_CHANGE_DECIDED: gettext("Decision to change a payment or not"),
        MessageKind.FUNDER_REPORT: gettext("Report to a funder"),
        MessageKind.PLEDGE_MATCHED: gettext("Pledge matched in full"),
        MessageKind.STAFF_TODO: gettext("Notice to staff"),
        MessageKind.STAFF_ACCESS: gettext("Link to choose a password"),
        MessageKind.STAFF_FACTOR: gettext("Change of a way to sign in"),
        MessageKind.PLEDGE_REQUESTED: gettext("Request to raise a pledge"),
        MessageKind.PLEDGE_DECIDED: gettext("Decision to raise a pledge or not"),
        MessageKind.SEAL_REQUESTED: gettext("Request to seal a campaign"),
        MessageKind.SEAL_DECIDED: gettext("Decision to seal a campaign or not"),
        MessageKind.CARD_TESTING_BEGUN: gettext("Guard against card testing: begun"),
        MessageKind.CARD_TESTING_ENDED: gettext("Guard against card testing: ended"),
        MessageKind.CHECKOUT_CODE: gettext("Code to give during card testing"),
        MessageKind.REVERSAL: gettext("Money that was returned or came back"),
        MessageKind.MATCH_INCREASED: gettext("Increased match"),
        MessageKind.PAYMENT_FAILED: gettext("Payment that failed"),
        MessageKind.INSTALMENT_FAILED: gettext("Month that could not be charged"),
        MessageKind.RECURRING_GIFT_ENDED: gettext("End of a monthly gift"),
        MessageKind.RECURRING_GIFT_LINK: gettext("Link to a monthly gift"),
        MessageKind.RECURRING_GIFT_CHANGED: gettext("Change of a monthly gift"),
        MessageKind.RECEIPT_CHOICE_CHANGED: gettext("Choice of receipts"),
        MessageKind.DONOR_ACCESS: gettext("Link to change something"),
        MessageKind.EMAIL_CHANGE: gettext("Link to confirm a new address"),
        MessageKind.EMAIL_CHANGED: gettext("Change of an email address"),
        MessageKind.ADDRESS_CHANGED: gettext("Change of a postal address"),
        MessageKind.LINKS_RENEWED: gettext("New links"),
        MessageKind.TRIBUTE_CARD: gettext("Card in honour or in memory"),
    }


def gift_group_labels() -> dict[GiftGroup, str]:
    """What a gift is for the charity's returns."""
    return {
        GiftGroup.RECEIPTED: gettext("With a valid receipt"),
        GiftGroup.ANNUAL: gettext("Awaiting the receipt for the calendar year"),
        GiftGroup.DUE: gettext("Receipt due, not issued yet"),
        GiftGroup.OTHER_CHARITY: gettext("From another registered charity, no receipt"),
        GiftGroup.INCOMPLETE: gettext("Without a receipt: name or address missing"),
        GiftGroup.UNDECLARED: gettext("Without a receipt: declaration missing"),
        GiftGroup.VOIDED: gettext("Without a receipt: voided by two people"),
        GiftGroup.RETURNED: gettext("Returned in full"),
    }


def side_labels() -> dict[Side, str]:
    """Why a gift counts in another fiscal year by the date of issue."""
    return {
        Side.LATER: gettext("Received in the year, first receipt after it or still to come"),
        Side.EARLIER: gettext("Received before the year, first receipt in it"),
    }


def change_labels() -> dict[Change, str]:
    """What changed of a gift since the day on which a return was filed."""
    return {
        Change.RECORDED: gettext("Recorded only afterwards"),
        Change.AMOUNT: gettext("Amount changed: refund, dispute or reversal"),
        Change.ANSWERED: gettext("Answer about the funder changed"),
        Change.ENDED: gettext("Receipt ended, none is valid"),
        Change.ISSUED: gettext("Receipt issued; one that was to come may have counted already"),
    }


def country_name(code: str) -> str:
    """The name of the country with this code; the code itself when there is none."""
    return dict(countries(current_language())).get(code, code)


def offline_method_labels() -> dict[OfflineMethod, str]:
    """How a gift was paid without Stripe."""
    return {
        OfflineMethod.CHEQUE: gettext("cheque"),
        OfflineMethod.CASH: gettext("cash"),
        OfflineMethod.ETRANSFER: gettext("Interac e-Transfer"),
        OfflineMethod.BANK_TRANSFER: gettext("bank transfer"),
    }


def offline_reversal_labels() -> dict[OfflineReversalKind, str]:
    """Why a gift that was paid without Stripe no longer counts, in part or in full."""
    return {
        OfflineReversalKind.RETURNED: gettext("The bank returned the payment"),
        OfflineReversalKind.REFUNDED: gettext("Money was given back to the donor"),
        OfflineReversalKind.MISTAKE: gettext("It was recorded by mistake"),
    }


def payment_method(*, is_debit: bool | None, offline_method: OfflineMethod | None = None) -> str:
    """How a gift was paid; `is_debit` is None for a payment of a funder."""
    if offline_method is not None:
        return offline_method_labels()[offline_method]
    if is_debit is None:
        return gettext("cheque or transfer of a funder")
    return method_labels()[Method.DEBIT if is_debit else Method.CARD]


def payout_status_labels() -> dict[str, str]:
    """The status of a payout, by Stripe's name for it."""
    return {
        "pending": gettext("not on its way yet"),
        "in_transit": gettext("on its way"),
        "paid": gettext("arrived"),
        "failed": gettext("came back"),
        "canceled": gettext("stopped"),
    }
