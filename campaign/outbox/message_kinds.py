"""The kinds of messages to donors, funders and staff, and how long those wait after which another often comes within minutes."""

from enum import StrEnum


class MessageKind(StrEnum):
    """What a message is about."""

    RECEIPT = "receipt"
    ACKNOWLEDGEMENT = "acknowledgement"
    RECEIPT_COPY = "receipt_copy"
    ANNUAL_RECEIPT = "annual_receipt"
    REVERSAL = "reversal"
    MATCH_INCREASED = "match_increased"
    PAYMENT_FAILED = "payment_failed"
    INSTALMENT_FAILED = "instalment_failed"
    RECURRING_GIFT_ENDED = "recurring_gift_ended"
    RECURRING_GIFT_LINK = "recurring_gift_link"
    RECURRING_GIFT_CHANGED = "recurring_gift_changed"
    RECEIPT_CHOICE_CHANGED = "receipt_choice_changed"
    DONOR_ACCESS = "donor_access"
    EMAIL_CHANGE = "email_change"
    EMAIL_CHANGED = "email_changed"
    ADDRESS_CHANGED = "address_changed"
    LINKS_RENEWED = "links_renewed"
    TRIBUTE_CARD = "tribute_card"
    FUNDER_PAYMENT = "funder_payment"
    FUNDER_PAYMENT_CORRECTED = "funder_payment_corrected"
    FUNDER_PAYMENT_REVERSED = "funder_payment_reversed"
    FUNDER_PAYMENT_RETURNED = "funder_payment_returned"
    FUND_CALL = "fund_call"
    FUND_CALL_REMINDER = "fund_call_reminder"
    FUND_CALL_CANCELLED = "fund_call_cancelled"
    PAYMENT_CHANGE_REQUESTED = "payment_change_requested"
    PAYMENT_CHANGE_DECIDED = "payment_change_decided"
    FUNDER_REPORT = "funder_report"
    PLEDGE_MATCHED = "pledge_matched"
    STAFF_TODO = "staff_todo"
    STAFF_ACCESS = "staff_access"
    STAFF_FACTOR = "staff_factor"
    PLEDGE_REQUESTED = "pledge_requested"
    PLEDGE_DECIDED = "pledge_decided"
    SEAL_REQUESTED = "seal_requested"
    SEAL_DECIDED = "seal_decided"
    BANK_DETAILS_CHANGED = "bank_details_changed"
    CARD_TESTING_BEGUN = "card_testing_begun"
    CARD_TESTING_ENDED = "card_testing_ended"
    CHECKOUT_CODE = "checkout_code"


# Stripe reports the last failed charge of a monthly gift and its end within seconds; a donor tries one amount or choice, then another.
QUIET_SECONDS = {
    MessageKind.INSTALMENT_FAILED: 600,
    MessageKind.RECURRING_GIFT_CHANGED: 120,
    MessageKind.RECEIPT_CHOICE_CHANGED: 120,
    MessageKind.ADDRESS_CHANGED: 120,
}
# A donor who left out their address often completes it on the page after the payment: then the thanks come with the receipt.
DETAILS_QUIET_SECONDS = 900
