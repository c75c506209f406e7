"""E-mails to staff about the seal of a campaign, in both languages."""

from flask_babel import force_locale, gettext

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.seals import SealRequest
from campaign.mail.letters.frame import Paragraph
from campaign.mail.letters.staff import LANGUAGES, in_both
from campaign.outbox.deliveries import EmailContent


def seal_requested(request: SealRequest, campaign: Campaign, *, recipient: str, url: str, is_test: bool) -> EmailContent:
    """Somebody asks to seal a campaign; `url` is the page where another person decides."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            named = {"who": request.requested_by, "campaign": campaign.title(language), "reason": request.reason}
            paragraphs.append(Paragraph(gettext("%(who)s asks to seal the campaign “%(campaign)s” for ever: %(reason)s", **named)))
            paragraphs.append(Paragraph(gettext("Another manager or administrator agrees or refuses here:"), url))
            paragraphs.append(Paragraph(_warning()))
            subjects.append(gettext("Seal a campaign?"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, campaign.charity, subjects, paragraphs, endings, is_test=is_test)


def seal_decided(request: SealRequest, campaign: Campaign, *, recipient: str, url: str, is_test: bool) -> EmailContent:
    """Somebody agreed to seal a campaign, so that it is sealed, or refused; `url` is the page of its seal."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            named = {"who": request.decided_by, "campaign": campaign.title(language), "asked_by": request.requested_by}
            text = (
                gettext("%(who)s agreed to what %(asked_by)s asked for: the campaign “%(campaign)s” is sealed for ever.", **named)
                if request.is_agreed
                else gettext("%(who)s refused what %(asked_by)s asked for: the campaign “%(campaign)s” is not sealed.", **named)
            )
            paragraphs += [Paragraph(text, url), Paragraph(_warning())]
            subjects.append(gettext("A campaign is sealed") if request.is_agreed else gettext("A campaign is not sealed"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, campaign.charity, subjects, paragraphs, endings, is_test=is_test)


def _warning() -> str:
    return gettext("If you are named here and did not do this, tell the other managers and whoever runs the service at once.")
