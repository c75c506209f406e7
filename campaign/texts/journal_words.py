"""The words of a journal: what its accounts are for, and what each movement of money is, in the language of its reader."""

from campaign.rules.journal import Account, Movement, Purpose, Subject, Tax
from campaign.texts.catalogue import gettext_noop, pgettext_noop, translator

# By the kind of the ledger entry.
MOVES = {
    "donation": gettext_noop("Gifts paid through Stripe"),
    "offline_donation": gettext_noop("Gifts by transfer"),
    "offline_refund": gettext_noop("Offline gifts given back"),
    "offline_reversal": gettext_noop("Offline gifts that the bank returned, or that were recorded by mistake"),
    "undeposited_donation": gettext_noop("Gifts by cheque or in cash"),
    "undeposited_refund": gettext_noop("Cheques and cash given back before a deposit"),
    "undeposited_reversal": gettext_noop("Cheques and cash that never were a gift, before a deposit"),
    "deposit": gettext_noop("Deposit of cheques and cash at the bank"),
    "covered_fee": gettext_noop("Fees covered by donors"),
    "fee": gettext_noop("Stripe’s fees"),
    "fee_refund": gettext_noop("Fees returned by Stripe"),
    "refund": gettext_noop("Gifts refunded"),
    "dispute": gettext_noop("Gifts lost in disputes"),
    "reinstatement": gettext_noop("Gifts that came back after a refund or dispute"),
    "covered_fee_refund": gettext_noop("Covered fees returned to donors"),
    "covered_fee_reinstatement": gettext_noop("Covered fees that came back"),
    "payout": gettext_noop("Payout from Stripe to the bank"),
    "payout_reversal": gettext_noop("Payout that came back to Stripe"),
    "receive": gettext_noop("Payment of a funder"),
    "receive_reversal": gettext_noop("Payment of a funder, taken back"),
}
_PURPOSES = {
    Purpose.STRIPE: gettext_noop("Money that lies at Stripe"),
    Purpose.UNDEPOSITED: gettext_noop("Cheques and cash that were not taken to the bank yet"),
    Purpose.BANK: gettext_noop("The charity’s bank account"),
    Purpose.DONATIONS: gettext_noop("Gifts of donors"),
    Purpose.DONATIONS_RETURNED: gettext_noop("Gifts refunded or lost in disputes"),
    Purpose.COVERED_FEES: gettext_noop("Fees that donors covered"),
    Purpose.FUNDERS: gettext_noop("Payments of funders"),
    Purpose.FEES: gettext_noop("What Stripe charges"),
}
_SUBJECTS = {
    Subject.GIFTS: gettext_noop("Gifts"),
    Subject.FEES: gettext_noop("Stripe’s fees"),
    Subject.RETURNS: gettext_noop("Refunds and disputes"),
    Subject.PAYOUTS: gettext_noop("Payouts"),
    Subject.DEPOSITS: gettext_noop("Deposits"),
    Subject.FUNDERS: gettext_noop("Payments of funders"),
}
_TAXES = {
    Tax.OUT_OF_SCOPE: pgettext_noop("tax", "Out of scope"),
    Tax.EXEMPT: pgettext_noop("tax", "Exempt"),
}


# Codes and names that are usual in a chart of accounts, until the charity names its own.
_SUGGESTED = {
    Purpose.STRIPE: ("1050", gettext_noop("Stripe clearing")),
    Purpose.UNDEPOSITED: ("1040", gettext_noop("Undeposited funds")),
    Purpose.BANK: ("1010", gettext_noop("Bank")),
    Purpose.DONATIONS: ("4010", pgettext_noop("account", "Donations")),
    Purpose.DONATIONS_RETURNED: ("4015", gettext_noop("Donations returned")),
    Purpose.COVERED_FEES: ("4020", gettext_noop("Fees covered by donors")),
    Purpose.FUNDERS: ("4030", gettext_noop("Matching gifts of funders")),
    Purpose.FEES: ("5210", gettext_noop("Bank and card charges")),
}


def suggested_account(purpose: Purpose) -> Account:
    """The account of a charity that has not named its own."""
    code, name = _SUGGESTED[purpose]
    to = translator("fr")
    french = to.pgettext("account", name) if purpose is Purpose.DONATIONS else to.gettext(name)
    return Account(purpose=purpose, code=code, name_en=name, name_fr=french)


def describe_move(kind: str, language: str) -> str:
    """What entries of this kind are."""
    return translator(language).gettext(MOVES[kind])


def describe_movement(movement: Movement, language: str) -> str:
    """The memo of a line: what moved, and of how many entries it is the sum."""
    what = describe_move(movement.kind, language)
    return f"{what} ({movement.entries})" if movement.entries > 1 else what


def purpose_label(purpose: Purpose, language: str) -> str:
    """What an account is for."""
    return translator(language).gettext(_PURPOSES[purpose])


def subject_label(subject: Subject, language: str) -> str:
    """What a journal entry is of."""
    return translator(language).gettext(_SUBJECTS[subject])


def tax_label(tax: Tax, language: str) -> str:
    """How a line counts for GST/HST and QST."""
    return translator(language).pgettext("tax", _TAXES[tax])
