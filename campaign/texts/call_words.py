"""The words on calls for funds, credit notes and final accounts, and what is wrong with bank details, in the funder's or the member's language."""

from collections.abc import Mapping

from campaign.rules.bank_details import BankFlaw
from campaign.texts.catalogue import gettext_noop, pgettext_noop, translator

_CONTEXT = "call for funds"
_LABELS = {
    "call_title": pgettext_noop("call for funds", "Call for matching funds"),
    "credit_note_title": pgettext_noop("call for funds", "Credit note"),
    "final_account_title": pgettext_noop("call for funds", "Final account"),
    "number": pgettext_noop("call for funds", "Number"),
    "colon": pgettext_noop("call for funds", ": "),
    "to": pgettext_noop("call for funds", "To"),
    "registration_number": pgettext_noop("call for funds", "Registration number"),
    "issued_on": pgettext_noop("call for funds", "Date of issue"),
    "due_on": pgettext_noop("call for funds", "Please pay by"),
    "fund": pgettext_noop("call for funds", "Matching fund"),
    "campaign": pgettext_noop("call for funds", "Campaign"),
    "amounts": pgettext_noop("call for funds", "What is asked for"),
    "taken_back": pgettext_noop("call for funds", "What is taken back"),
    "matched": pgettext_noop("call for funds", "Matched with gifts since the last call"),
    "matched_first": pgettext_noop("call for funds", "Matched with gifts so far"),
    "released": pgettext_noop("call for funds", "Released since, as gifts were returned"),
    "before": pgettext_noop("call for funds", "Matched before and not called yet"),
    "leftover": pgettext_noop("call for funds", "Not matched by the end, and given all the same"),
    "later": pgettext_noop("call for funds", "Left for a later call"),
    "cents": pgettext_noop("call for funds", "This call"),
    "received": pgettext_noop("call for funds", "Received already, beyond earlier calls"),
    "to_pay": pgettext_noop("call for funds", "To pay"),
    "nothing_to_pay": pgettext_noop("call for funds", "Nothing is to be paid: what you paid before settles this call."),
    "called": pgettext_noop("call for funds", "Called so far"),
    "earned": pgettext_noop("call for funds", "Matched in the end, as gifts were returned"),
    "credit": pgettext_noop("call for funds", "This credit note"),
    "less_open": pgettext_noop("call for funds", "Of this, so much less is to be paid of earlier calls"),
    "to_return": pgettext_noop("call for funds", "Of this, so much is returned to you"),
    "reason": pgettext_noop("call for funds", "Reason"),
    "pledge_before": pgettext_noop("call for funds", "Your pledge before this document"),
    "pledged": pgettext_noop("call for funds", "Pledged"),
    "matched_in_all": pgettext_noop("call for funds", "Matched in all"),
    "called_before": pgettext_noop("call for funds", "Called before"),
    "received_before": pgettext_noop("call for funds", "Received before"),
    "how_to_pay": pgettext_noop("call for funds", "How to pay"),
    "reference": pgettext_noop("call for funds", "Reference for your payment"),
    "transfer": pgettext_noop("call for funds", "By transfer"),
    "account_holder": pgettext_noop("call for funds", "Account holder"),
    "bank_name": pgettext_noop("call for funds", "Bank"),
    "institution": pgettext_noop("call for funds", "Institution number"),
    "transit": pgettext_noop("call for funds", "Transit number"),
    "account_number": pgettext_noop("call for funds", "Account number"),
    "swift": pgettext_noop("call for funds", "SWIFT code"),
    "cheque": pgettext_noop("call for funds", "By cheque"),
    "payable_to": pgettext_noop("call for funds", "Payable to"),
    "post_to": pgettext_noop("call for funds", "Post it to the address at the head of this page."),
    "check_details": pgettext_noop(
        "call for funds",
        "Our bank details seldom change. If they differ from those you know, please call us before you pay, at a number that you have from elsewhere.",
    ),
    "no_receipt": pgettext_noop("call for funds", "This is not an official receipt for income tax purposes."),
    "receipt_follows": pgettext_noop(
        "call for funds", "A receipt is for money received; it follows each payment, unless you are a registered charity."
    ),
    "questions": pgettext_noop("call for funds", "Questions? Please write to %(email)s."),
    "questions_or_call": pgettext_noop("call for funds", "Questions? Please write to %(email)s or call %(phone)s."),
    "thanks": pgettext_noop("call for funds", "Thank you for matching the gifts of others."),
    "test_banner": pgettext_noop("call for funds", "TEST – please do not pay"),
    "preview_banner": pgettext_noop("call for funds", "Preview – not issued, no number was used"),
    "test": pgettext_noop("call for funds", "TEST"),
    "preview": pgettext_noop("call for funds", "Preview"),
    "logo": pgettext_noop("call for funds", "Logo"),
    "as_of": pgettext_noop("call for funds", "As of"),
    "shares": pgettext_noop("call for funds", "Shares of the funders"),
    "funder": pgettext_noop("call for funds", "Funder"),
    "promised": pgettext_noop("call for funds", "Promised at activation"),
    "called_share": pgettext_noop("call for funds", "Called"),
    "matched_share": pgettext_noop("call for funds", "Matched"),
    "retained_share": pgettext_noop("call for funds", "Received and not returned"),
    "share_rule": pgettext_noop(
        "call for funds",
        "Each sum is shared in proportion to what each funder promised when the fund was activated, in whole cents that add up. You pay for all.",
    ),
    "called_in_all": pgettext_noop("call for funds", "Called, less credit notes"),
    "received_in_all": pgettext_noop("call for funds", "Received"),
    "returned_in_all": pgettext_noop("call for funds", "Returned to you"),
    "not_called": pgettext_noop("call for funds", "Matched and not called yet"),
    "open": pgettext_noop("call for funds", "Called and still to be paid"),
    "to_credit": pgettext_noop("call for funds", "Called and matched no longer, still to be credited"),
    "surplus": pgettext_noop("call for funds", "Received beyond what is called"),
    "not_matched": pgettext_noop("call for funds", "Not matched, and released to you"),
    "given_all_the_same": pgettext_noop("call for funds", "Not matched, and given all the same"),
    "documents": pgettext_noop("call for funds", "Calls and credit notes"),
    "cancelled": pgettext_noop("call for funds", "cancelled"),
    "settled_account": pgettext_noop("call for funds", "The account is settled: nothing is to be paid, credited or returned."),
}
_SIGNATURE_NAME = pgettext_noop("call for funds", "Electronic signature of %(charity)s")
_FLAWS = {
    BankFlaw.MISSING: gettext_noop("Please write who holds the account, as the bank has it."),
    BankFlaw.NO_BANK: gettext_noop("Please write the name of the bank or credit union."),
    BankFlaw.INSTITUTION: gettext_noop("The institution number has three digits, for example 006."),
    BankFlaw.TRANSIT: gettext_noop("The transit number has five digits, for example 00011."),
    BankFlaw.ACCOUNT_NUMBER: gettext_noop("The account number has five to twelve digits within Canada, as on a cheque of this account."),
    BankFlaw.SWIFT: gettext_noop("A SWIFT code has eight or eleven characters, for example BNDCCAMM."),
    BankFlaw.NOTHING: gettext_noop("Please write an account, or to whom a cheque is payable, so that a funder can pay."),
}


def call_labels(language: str) -> Mapping[str, str]:
    """The words on the documents by key. Some have values to fill in, such as `%(email)s`."""
    to = translator(language)
    return {key: to.pgettext(_CONTEXT, message) for key, message in _LABELS.items()}


def signature_name(language: str, charity: str) -> str:
    """The name of the electronic signature, for tooltips and screen readers."""
    return translator(language).pgettext(_CONTEXT, _SIGNATURE_NAME) % {"charity": charity}


def describe_flaw(flaw: BankFlaw, language: str) -> str:
    """What is wrong with a field of the bank details, and what to do."""
    return translator(language).gettext(_FLAWS[flaw])
