"""E-mails about how members of staff sign in, in both languages: links to choose a password, and what has changed."""

from flask_babel import force_locale, gettext

from campaign.campaigns.charities import Charity
from campaign.mail.letters.frame import Paragraph
from campaign.mail.letters.staff import LANGUAGES, in_both
from campaign.outbox.deliveries import EmailContent
from campaign.staff.factor_changes import FactorChange


def password_link(*, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """The link with which a member chooses a password."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            paragraphs.append(Paragraph(gettext("Somebody, we hope you, wants to choose a new password for the pages of staff:"), url))
            paragraphs.append(Paragraph(gettext("The link works once, within two days. If it was not you, there is nothing to do.")))
            subjects.append(gettext("Choose a password"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def invitation(*, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """The link with which somebody who was invited chooses their first password."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            welcome = gettext("You are invited to the pages of staff (%(charity)s). Choose a password:", charity=charity.name(language))
            paragraphs.append(Paragraph(welcome, url))
            paragraphs.append(
                Paragraph(gettext("The link works once, within two days. If you did not expect it, ask the charity, or leave it alone."))
            )
            subjects.append(gettext("Your staff account"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def factor_changed(change: FactorChange, *, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """What has changed in how a member signs in; `url` is where they choose a new password if it was not them."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            paragraphs.append(Paragraph(_describe_change(change)))
            paragraphs.append(Paragraph(gettext("If it was you, there is nothing to do.")))
            paragraphs.append(Paragraph(gettext("If it was not you, tell an administrator at once, and choose a new password:"), url))
            subjects.append(gettext("Your staff account"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def _describe_change(change: FactorChange) -> str:
    sentences = {
        FactorChange.PASSWORD: gettext("A new password was chosen for your staff account."),
        FactorChange.ONE_TIME_CODES: gettext("An authenticator app was set up for your staff account."),
        FactorChange.PASSKEY_ADDED: gettext("A passkey was added to your staff account."),
        FactorChange.PASSKEY_REMOVED: gettext("A passkey was removed from your staff account."),
        FactorChange.RECOVERY_CODES: gettext("New recovery codes were made for your staff account. The earlier ones have ended."),
        FactorChange.RECOVERY_CODE_USED: gettext("Somebody signed in to your staff account with a recovery code."),
        FactorChange.RESET: gettext(
            "The password, the authenticator app, the passkeys and the recovery codes of your staff account were removed."
        ),
    }
    return str(sentences[change])
