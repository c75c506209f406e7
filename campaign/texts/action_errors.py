"""Why an action of staff or of a donor is refused, in one sentence that says what to do."""

from enum import StrEnum

from campaign.rules.money import format_money
from campaign.texts.catalogue import gettext_noop, translator


class ActionError(StrEnum):
    """The reason of a refusal."""

    NOT_PAID = "not paid"
    UNDER_WAY = "under way"
    DISPUTED = "disputed"
    REQUEST_IS_USED = "request is used"
    OFFLINE_REFUND_IS_RECORDED = "offline refund is recorded"
    FORM_IS_USED = "form is used"
    NOTHING_LEFT = "nothing left"
    TOO_MUCH = "too much"
    REFUSED_BY_STRIPE = "refused by stripe"
    NOT_OURS = "not ours"
    NO_SUCH_PAYMENT = "no such payment"
    DECIDED = "decided"
    VOID_IS_REQUESTED = "void is requested"
    VOID_IS_DECIDED = "void is decided"
    NOT_ACCEPTABLE = "not acceptable"
    PARTLY_REFUNDED = "partly refunded"
    FEE_TOO_LARGE = "fee too large"
    RECEIPT_IS_ISSUED = "receipt is issued"
    NO_RECEIPT = "no receipt"
    NO_EMAIL = "no email"
    NOTHING_CHANGED = "nothing changed"
    NAME_IS_UNEXPLAINED = "name is unexplained"
    NOT_SAME_DONOR = "not same donor"
    NAME_HAS_CHANGED = "name has changed"
    ANOTHER_PERSON = "another person"
    PLEDGE_IS_REQUESTED = "pledge is requested"
    PLEDGE_IS_DECIDED = "pledge is decided"
    FUND_IS_DRAFT = "fund is draft"
    FUND_HAS_ENDED = "fund has ended"
    FUND_IS_FROZEN = "fund is frozen"
    CONTRIBUTOR_IS_KNOWN = "contributor is known"
    CONTRIBUTOR_IS_REMOVED = "contributor is removed"
    LEAD_WITHOUT_PART = "lead without part"
    NOT_A_MANAGER = "not a manager"
    NEW_MANAGER = "new manager"
    RECIPIENT_IS_KNOWN = "recipient is known"
    TOO_MANY_RECIPIENTS = "too many recipients"
    PAYMENT_IS_RECORDED = "payment is recorded"
    PAYMENT_BEYOND_PLEDGE = "payment beyond pledge"
    PAYMENT_IN_FUTURE = "payment in future"
    PAYMENT_RETURN_DAY = "payment return day"
    PAYMENT_RETURN_TOO_MUCH = "payment return too much"
    PAYMENT_RETURN_IS_RECORDED = "payment return is recorded"
    PAYMENT_RETURN_IS_UNDONE = "payment return is undone"
    PAYMENT_IS_RETURNED = "payment is returned"
    PAYMENT_IS_REVERSED = "payment is reversed"
    PAYMENT_CHANGE_IS_REQUESTED = "payment change is requested"
    PAYMENT_CHANGE_IS_DECIDED = "payment change is decided"
    PAYMENT_IS_THE_SAME = "payment is the same"
    CALLS_HAVE_CHANGED = "calls have changed"
    CALL_TOO_MUCH = "call too much"
    NOTHING_TO_CALL = "nothing to call"
    NO_BANK_DETAILS = "no bank details"
    FUNDER_HAS_NO_ADDRESS = "funder has no address"
    CALL_IS_CANCELLED = "call is cancelled"
    CALL_IS_PAID = "call is paid"
    CREDIT_BEFORE_END = "credit before end"
    NOTHING_TO_CREDIT = "nothing to credit"
    REGISTRATION_NUMBER = "registration number"
    FILING_DAY = "filing day"
    RETURN_IS_OPEN = "return is open"
    RETURN_CAME_BACK = "return came back"
    RETURN_TOO_SMALL = "return too small"
    MONTH_IS_NOT_OVER = "month is not over"
    MONTH_IS_CLOSED = "month is closed"
    MONTH_IS_OPEN = "month is open"
    MONTH_NEEDS_REASON = "month needs reason"
    PAID_OFFLINE = "paid offline"
    GIFT_IN_FUTURE = "gift in future"
    GIFT_IS_FINAL = "gift is final"
    GIFT_IS_REVERSED = "gift is reversed"
    GIFT_WAS_REFUNDED = "gift was refunded"
    REVERSAL_DAY = "reversal day"
    REVERSAL_TOO_MUCH = "reversal too much"
    DEPOSIT_IS_CLOSED = "deposit is closed"
    DEPOSIT_BEFORE_GIFT = "deposit before gift"
    DEPOSIT_IS_EMPTY = "deposit is empty"
    DEPOSIT_HAS_CHANGED = "deposit has changed"
    ROW_HAS_CHANGED = "row has changed"
    IMPORT_HAS_CHANGED = "import has changed"
    IMPORT_IS_UNDER_WAY = "import is under way"
    CAMPAIGN_IS_SEALED = "campaign is sealed"
    SEAL_IS_REQUESTED = "seal is requested"
    SEAL_IS_DECIDED = "seal is decided"
    MOVED_SINCE_SEAL = "moved since seal"
    NOT_READY_TO_SEAL = "not ready to seal"


class ActionRefused(Exception):
    """The action is not possible; `refusal` says why."""

    def __init__(self, refusal: ActionError) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


_MESSAGES = {
    ActionError.CAMPAIGN_IS_SEALED: gettext_noop("The campaign is sealed: nothing of its books changes any more. Nothing was done."),
    ActionError.SEAL_IS_REQUESTED: gettext_noop("Somebody has already asked to seal this campaign: a second person decides."),
    ActionError.SEAL_IS_DECIDED: gettext_noop("Somebody has already decided on this request."),
    ActionError.MOVED_SINCE_SEAL: gettext_noop(
        "Money of this gift moved at Stripe after the campaign was sealed, so a new receipt would show a wrong amount. Void the receipt instead."
    ),
    ActionError.NOT_READY_TO_SEAL: gettext_noop("Something of this campaign is still open: see what is listed here."),
    ActionError.NOT_PAID: gettext_noop("This gift was not paid, so there is nothing to refund."),
    ActionError.UNDER_WAY: gettext_noop("A refund of %(amount)s of this gift is in progress. Try again when it has ended."),
    ActionError.REQUEST_IS_USED: gettext_noop(
        "This form was sent before, and %(amount)s were refunded. To refund more, see what it does and confirm it again."
    ),
    ActionError.OFFLINE_REFUND_IS_RECORDED: gettext_noop(
        "This refund is recorded already. If money was given back twice on that day, write how the reference of the other one differs."
    ),
    ActionError.FORM_IS_USED: gettext_noop(
        "This form was sent before, with another gift. Nothing was recorded now: press the button once more."
    ),
    ActionError.DISPUTED: gettext_noop("The donor disputes this payment: it cannot be refunded until the dispute is decided."),
    ActionError.NOTHING_LEFT: gettext_noop("Nothing of this gift is left to refund."),
    ActionError.TOO_MUCH: gettext_noop("Only %(amount)s is left of what was paid."),
    ActionError.REFUSED_BY_STRIPE: gettext_noop("Stripe refused the refund: %(reason)s"),
    ActionError.NOT_OURS: gettext_noop(
        "This payment belongs to another donation or to the other mode, so it cannot be refunded here. Set it aside instead."
    ),
    ActionError.NO_SUCH_PAYMENT: gettext_noop("There is no such payment in quarantine."),
    ActionError.DECIDED: gettext_noop("Somebody has already decided on this payment."),
    ActionError.VOID_IS_REQUESTED: gettext_noop("Somebody has already asked to void this receipt: a second person decides."),
    ActionError.VOID_IS_DECIDED: gettext_noop("Somebody has already decided on this request."),
    ActionError.NOT_ACCEPTABLE: gettext_noop("This payment cannot be recorded as a gift: refund it or set it aside."),
    ActionError.PARTLY_REFUNDED: gettext_noop(
        "Part of this payment has already been refunded: refund the rest, and ask the donor to give again."
    ),
    ActionError.FEE_TOO_LARGE: gettext_noop("The covered fee must be less than the payment. Nothing was decided."),
    ActionError.RECEIPT_IS_ISSUED: gettext_noop(
        "The receipt for this gift has already been issued. To have it corrected, please write to us."
    ),
    ActionError.NO_RECEIPT: gettext_noop("There is no valid receipt for this gift, so there is nothing to send, replace or cancel."),
    ActionError.NO_EMAIL: gettext_noop(
        "This gift has no email address, so nothing was sent. Print the receipt and post it, or write the donor’s address here first."
    ),
    ActionError.NOTHING_CHANGED: gettext_noop("The name and address have not changed, so the receipt stays as it is."),
    ActionError.NAME_IS_UNEXPLAINED: gettext_noop("The name on the receipt changes. Please choose why."),
    ActionError.NOT_SAME_DONOR: gettext_noop(
        "A person and an organization are not the same donor. Please choose the other reason, with the donor’s declaration."
    ),
    ActionError.NAME_HAS_CHANGED: gettext_noop("The name of the organization has changed meanwhile. Please read it again."),
    ActionError.ANOTHER_PERSON: gettext_noop("You cannot approve your own request: a second person decides."),
    ActionError.PLEDGE_IS_REQUESTED: gettext_noop(
        "Somebody has already asked to raise this pledge. Agree to that request or refuse it first."
    ),
    ActionError.PLEDGE_IS_DECIDED: gettext_noop("Somebody has already decided on this request."),
    ActionError.FUND_IS_DRAFT: gettext_noop("This fund is a draft: whoever runs the service sets its pledge until it is active."),
    ActionError.FUND_HAS_ENDED: gettext_noop("This fund has ended, so its pledge cannot be raised."),
    ActionError.FUND_IS_FROZEN: gettext_noop("The terms of this fund are frozen since it was activated, and its contributors with them."),
    ActionError.CONTRIBUTOR_IS_KNOWN: gettext_noop("This funder leads the fund or contributes to it already."),
    ActionError.CONTRIBUTOR_IS_REMOVED: gettext_noop("Somebody has removed this contributor meanwhile."),
    ActionError.LEAD_WITHOUT_PART: gettext_noop(
        "All contributors together can promise less than %(amount)s, the whole pledge: the lead funder promises the rest."
    ),
    ActionError.NEW_MANAGER: gettext_noop(
        "This takes two people who have had their role for a day, so that nobody can appoint the second one for it. Please wait until then."
    ),
    ActionError.NOT_A_MANAGER: gettext_noop("Only managers and administrators whose account is active can do this."),
    ActionError.REGISTRATION_NUMBER: gettext_noop(
        "A registered charity has a number of nine digits, RR and four digits, as 123456782RR0001. Its ninth digit checks the others: please compare it with what the charity wrote."
    ),
    ActionError.RECIPIENT_IS_KNOWN: gettext_noop("This address is in the list already: change what it gets there."),
    ActionError.TOO_MANY_RECIPIENTS: gettext_noop("The list is full. To add somebody, use a shared address of your organization."),
    ActionError.PAYMENT_IS_RECORDED: gettext_noop(
        "A payment with this reference is recorded already. If it is another one, write how its reference differs."
    ),
    ActionError.PAYMENT_BEYOND_PLEDGE: gettext_noop("More would be received than is pledged; raise the pledge first."),
    ActionError.PAYMENT_RETURN_DAY: gettext_noop("The money was returned between the day of the payment and today: write that day."),
    ActionError.PAYMENT_RETURN_TOO_MUCH: gettext_noop("More cannot have gone back than is left of the payment."),
    ActionError.PAYMENT_RETURN_IS_RECORDED: gettext_noop(
        "A return with this reference is recorded already for this payment. If it is another one, write how its reference differs."
    ),
    ActionError.PAYMENT_RETURN_IS_UNDONE: gettext_noop("It is recorded already that this money did not go back."),
    ActionError.PAYMENT_IS_RETURNED: gettext_noop(
        "Money of this payment went back to the funder. If that was recorded wrongly, undo it first; then the payment can be corrected."
    ),
    ActionError.CALLS_HAVE_CHANGED: gettext_noop(
        "Nothing was issued: somebody has issued or cancelled a call of this fund, or changed the bank details, since you opened this page. Please see what is true now, and press the button again."
    ),
    ActionError.CALL_TOO_MUCH: gettext_noop(
        "So much is not earned and uncalled now: a gift was returned meanwhile. Please see what is left to call."
    ),
    ActionError.NOTHING_TO_CALL: gettext_noop("All that is matched is called already."),
    ActionError.NO_BANK_DETAILS: gettext_noop(
        "The charity has no bank details yet, so nobody would know where to pay. An administrator sets them under Settings, on the page of the charity’s details."
    ),
    ActionError.FUNDER_HAS_NO_ADDRESS: gettext_noop(
        "The funder has neither an email nor a postal address. Please write one on the page with the funder’s details first."
    ),
    ActionError.CALL_IS_CANCELLED: gettext_noop("Somebody has already cancelled this call."),
    ActionError.CALL_IS_PAID: gettext_noop("Part of this call is paid or credited, so it can no longer be cancelled."),
    ActionError.CREDIT_BEFORE_END: gettext_noop(
        "The fund has not ended: what was returned since is taken off its next call, and needs no credit note."
    ),
    ActionError.NOTHING_TO_CREDIT: gettext_noop("All that is called is matched, so there is nothing to credit."),
    ActionError.FILING_DAY: gettext_noop("It was filed between the day on which the money was returned and today: write that day."),
    ActionError.RETURN_IS_OPEN: gettext_noop("This return is open already: nothing was changed."),
    ActionError.RETURN_CAME_BACK: gettext_noop("The money that this return reports came back to the charity: there is nothing to file."),
    ActionError.RETURN_TOO_SMALL: gettext_noop(
        "What is still returned of this gift is $50 or less, as the rest came back: there is nothing to file."
    ),
    ActionError.MONTH_IS_NOT_OVER: gettext_noop("This month is not over yet. It can be closed from the first day of the next one."),
    ActionError.MONTH_IS_CLOSED: gettext_noop("Somebody has already closed this month."),
    ActionError.MONTH_IS_OPEN: gettext_noop("This month is open already: somebody has reopened it."),
    ActionError.MONTH_NEEDS_REASON: gettext_noop("Not all checks are done: please say in one line why the month is closed all the same."),
    ActionError.PAID_OFFLINE: gettext_noop(
        "This gift was not paid through Stripe. Give the money back by cheque or transfer, and record that on its page under Offline gifts."
    ),
    ActionError.GIFT_IN_FUTURE: gettext_noop("This day has not come yet. Write the day on which the gift was received."),
    ActionError.GIFT_IS_FINAL: gettext_noop(
        "It has a receipt by now, or was taken to the bank, so it can no longer be undone. Reverse it with a reason instead."
    ),
    ActionError.GIFT_IS_REVERSED: gettext_noop("Nothing of this gift is left: it was reversed or given back already."),
    ActionError.GIFT_WAS_REFUNDED: gettext_noop(
        "Part of this gift was given back to the donor, so it was no mistake. Record the rest as given back, or as returned by the bank."
    ),
    ActionError.REVERSAL_DAY: gettext_noop("That was between the day on which the gift was received and today: write that day."),
    ActionError.REVERSAL_TOO_MUCH: gettext_noop("More cannot have been given back than is left of this gift."),
    ActionError.DEPOSIT_IS_CLOSED: gettext_noop("Somebody has closed this deposit already."),
    ActionError.DEPOSIT_BEFORE_GIFT: gettext_noop(
        "A gift in this deposit was received after that day. Check the day of the deposit, or leave that gift for the next one."
    ),
    ActionError.DEPOSIT_IS_EMPTY: gettext_noop("A deposit has at least one cheque or some cash. Tick what you take to the bank."),
    ActionError.ROW_HAS_CHANGED: gettext_noop(
        "Somebody has changed or recorded this row meanwhile. It is shown as it is now; what you typed was not saved."
    ),
    ActionError.IMPORT_HAS_CHANGED: gettext_noop(
        "Somebody has changed this import since you opened the page. It is shown as it is now: please check it, and press the button again."
    ),
    ActionError.IMPORT_IS_UNDER_WAY: gettext_noop("Rows of this import are being recorded. Please wait until that is done."),
    ActionError.DEPOSIT_HAS_CHANGED: gettext_noop(
        "Somebody has recorded or undone a gift meanwhile. Count again what you take to the bank."
    ),
    ActionError.PAYMENT_IN_FUTURE: gettext_noop("This day has not come yet. Write the day on which the payment was received."),
    ActionError.PAYMENT_IS_REVERSED: gettext_noop("This payment was reversed already, so there is nothing to correct."),
    ActionError.PAYMENT_CHANGE_IS_REQUESTED: gettext_noop(
        "Somebody has already asked to change this payment. Agree to that request or refuse it first."
    ),
    ActionError.PAYMENT_CHANGE_IS_DECIDED: gettext_noop("Somebody has already decided on this request."),
    ActionError.PAYMENT_IS_THE_SAME: gettext_noop("Amount, day and reference are those that are recorded, so there is nothing to correct."),
}


def describe_error(error: ActionError, language: str, *, cents: int = 0, stripe_reason: str = "") -> str:
    """Return the sentence. `cents` is the amount it names, `stripe_reason` the reason that Stripe reported."""
    to = translator(language)
    return to.gettext(_MESSAGES[error], amount=format_money(cents, to.language), reason=stripe_reason)
