"""The e-mail to administrators that the charity's bank details have changed, in both languages: whoever changed them may not have been who they seemed."""

from flask_babel import force_locale, gettext

from campaign.campaigns.bank_details import BankDetails
from campaign.campaigns.charities import Charity
from campaign.mail.letters.frame import Paragraph
from campaign.mail.letters.staff import LANGUAGES, in_both
from campaign.outbox.deliveries import EmailContent
from campaign.texts.dates import format_moment


def bank_details_changed(
    details: BankDetails, earlier: BankDetails | None, *, charity: Charity, recipient: str, url: str, is_test: bool
) -> EmailContent:
    """Who changed them when, with the last digits of the accounts alone; `url` is the page with the details."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            changed = gettext(
                "%(who)s changed the bank details that calls for funds state, on %(moment)s.",
                who=details.changed_by,
                moment=format_moment(charity.local(details.changed_at), language),
            )
            paragraphs.append(Paragraph(changed))
            paragraphs.append(Paragraph(gettext("Now: %(account)s", account=describe_account(details))))
            if earlier is not None:
                paragraphs.append(Paragraph(gettext("Before: %(account)s", account=describe_account(earlier))))
            asked = gettext(
                "If nobody at the charity meant to change them, somebody may be trying to have funders pay into another account. Set the right details at once, tell those who issue calls to wait, and compare the calls issued since. The details:"
            )
            paragraphs.append(Paragraph(asked, url))
            subjects.append(gettext("Bank details changed"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def describe_account(details: BankDetails) -> str:
    """The account in a few words, with the end of its number alone."""
    account = details.account
    parts = [account.account_holder, account.bank_name, gettext("account ending in %(digits)s", digits=account.last_digits)]
    cheque = gettext("cheques to %(name)s", name=account.cheque_payable_to) if account.cheque_payable_to else ""
    return ", ".join([*(parts if account.has_transfer else []), *([cheque] if cheque else [])])
