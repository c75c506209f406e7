"""E-mails of the guard against card testing: to staff when it begins and ends, and the code to whoever is about to give."""

from flask_babel import force_locale, gettext, ngettext

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.mail.letters.frame import SMALL, Paragraph, Recipient, build_email
from campaign.mail.letters.staff import LANGUAGES, in_both
from campaign.outbox.checkout_codes import LIFETIME, CheckoutCode
from campaign.outbox.deliveries import EmailContent
from campaign.payments.card_testing import CardTestingGuard
from campaign.texts.dates import format_moment

MINUTE = 60


def begun(guard: CardTestingGuard, *, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """The guard has begun: why, what it does, and what staff can do."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            moment = format_moment(charity.local(guard.begun_at), language)
            paragraphs += [
                Paragraph(_who_began(guard, moment)),
                Paragraph(_figures(guard)),
                Paragraph(
                    gettext(
                        "Until it ends, each checkout takes a short computation by the donor’s browser or a code by email, and fewer of them are "
                        "possible. Donors lose nothing that they wrote. The figures, and the switch:"
                    ),
                    url,
                ),
            ]
            subjects.append(gettext("Card testing: the guard is on"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def _who_began(guard: CardTestingGuard, moment: str) -> str:
    if guard.is_by_hand:
        return gettext("%(who)s began the guard against card testing on %(moment)s.", who=guard.begun_by, moment=moment)
    return gettext("The guard against card testing began by itself on %(moment)s: somebody tries stolen cards.", moment=moment)


def _figures(guard: CardTestingGuard) -> str:
    declined = ngettext("%(num)s card was declined", "%(num)s cards were declined", guard.declines)
    paid = ngettext("%(num)s card payment succeeded", "%(num)s card payments succeeded", guard.payments)
    return gettext("In the ten minutes before, %(declined)s, and %(paid)s.", declined=declined, paid=paid)


def ended(guard: CardTestingGuard, *, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """The guard has ended."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            begun_at, ended_at = (format_moment(charity.local(at), language) for at in (guard.begun_at, guard.ended_at) if at)
            text = gettext("The guard against card testing, on since %(begun)s, ended on %(ended)s.", begun=begun_at, ended=ended_at)
            paragraphs += [Paragraph(text), Paragraph(gettext("Checkouts are as always again. The figures:"), url)]
            subjects.append(gettext("Card testing: the guard is off"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def checkout_code(code: CheckoutCode, campaign: Campaign, *, digits: str, is_test: bool) -> EmailContent:
    """The code, alone in its paragraph, so that a screen reader reads it and a phone offers it."""
    charity = campaign.charity
    to = Recipient(address=code.email, name="", greeted_as="", language=code.language, charity=charity, is_test=is_test)
    minutes = int(LIFETIME.total_seconds()) // MINUTE
    with force_locale(code.language):
        paragraphs = [
            Paragraph(gettext("Your code for your gift to %(campaign)s:", campaign=campaign.title(code.language))),
            Paragraph(digits),
            Paragraph(
                gettext(
                    "Write it on the page where you give. It works there for %(minutes)s minutes, for this gift alone.", minutes=minutes
                )
            ),
            Paragraph(
                gettext(
                    "We ask for it because we guard our form against people who try stolen cards. If you are not giving now, there is nothing to do: "
                    "nothing was charged, and without the code nothing happens."
                ),
                style=SMALL,
            ),
        ]
        subject = gettext("Your code to give – %(campaign)s", campaign=campaign.title(code.language))
        return build_email(to, subject, paragraphs, greeting=gettext("Hello,"), ending=gettext("With thanks,"))
