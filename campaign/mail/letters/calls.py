"""E-mails to funders about calls for funds: the call or credit note with its document, a reminder, and that a call is cancelled.

They have the figures in the text too, and none is an official receipt.
"""

from dataclasses import dataclass
from datetime import date

from flask_babel import force_locale, gettext

from campaign.campaigns.campaigns import Campaign
from campaign.funders.calls import CallKind, FundCall
from campaign.funders.funders import Funder
from campaign.mail.letters.frame import Paragraph, build_email, contact_line
from campaign.mail.letters.funders import for_an_audit, recipient_of_funder
from campaign.outbox.deliveries import EmailContent
from campaign.rules.call_reminders import Reminder
from campaign.rules.money import format_money
from campaign.texts.dates import format_day


@dataclass(frozen=True, kw_only=True)
class CallNews:
    """A call or credit note, whom it is for, what is open of it now, and where the fund's books end."""

    call: FundCall
    funder: Funder
    campaign: Campaign
    open_cents: int
    head: str

    @property
    def is_test(self) -> bool:
        """Whether no real money is asked for."""
        return bool(self.call.content["is_test"])


def call_issued(news: CallNews) -> EmailContent:
    """The call, with its document."""
    language, call = news.funder.language, news.call
    with force_locale(language):
        asks = gettext(
            "Gifts to %(campaign)s are matched from your pledge. With this call no. %(number)s we ask you for %(amount)s of what is matched and not called yet.",
            campaign=news.campaign.title(language),
            **_named(call, language),
        )
        paragraphs = [Paragraph(asks), *_about_payment(news), *_about_receipt(news.funder), contact_line(news.campaign.charity)]
        subject = gettext("Call for funds %(number)s – %(campaign)s", number=call.name, campaign=news.campaign.title(language))
        return _build(news, subject, paragraphs, has_document=True)


def _named(call: FundCall, language: str) -> dict[str, str]:
    return {"number": call.name, "amount": format_money(call.cents, language)}


def _about_payment(news: CallNews) -> list[Paragraph]:
    """What is to be paid by when, and how."""
    language, call = news.funder.language, news.call
    if news.open_cents == 0:
        return [Paragraph(gettext("What you have paid before settles it: nothing is to be paid."))]
    assert call.due_on is not None
    named = {"open": format_money(news.open_cents, language), "day": format_day(call.due_on, language), "number": call.name}
    to_pay = (
        gettext("You have paid part of it already. Please pay the rest, %(open)s, by %(day)s, with the reference %(number)s.", **named)
        if news.open_cents < call.cents
        else gettext("Please pay %(open)s by %(day)s, with the reference %(number)s.", **named)
    )
    how = gettext(
        "How to pay is in the attached document. We never send other bank details by email alone: if you get such a message, please call us before you pay."
    )
    return [Paragraph(to_pay), Paragraph(how)]


def _about_receipt(funder: Funder) -> list[Paragraph]:
    text = (
        gettext("As a registered charity you get no official receipt for your payment.")
        if funder.is_registered_charity
        else gettext("This call is no official receipt. You get one for each payment that we have received.")
    )
    return [Paragraph(text)]


def credit_note_issued(news: CallNews) -> EmailContent:
    """The credit note, with its document: what is to be paid less, and what is returned."""
    language, note = news.funder.language, news.call
    with force_locale(language):
        text = gettext(
            "After your fund had ended, gifts to %(campaign)s were returned, so less of your pledge is matched. With this credit note no. %(number)s we take back %(amount)s of what we had called.",
            campaign=news.campaign.title(language),
            **_named(note, language),
        )
        less, back = note.content["less_open_cents"], note.content["to_return_cents"]
        paragraphs = [Paragraph(text)]
        if less:
            paragraphs.append(Paragraph(gettext("%(amount)s less is to be paid of earlier calls.", amount=format_money(less, language))))
        if back:
            returned = gettext(
                "%(amount)s of what you have paid is returned to you. We write when it is sent.", amount=format_money(back, language)
            )
            paragraphs.append(Paragraph(returned))
        paragraphs.append(contact_line(news.campaign.charity))
        subject = gettext("Credit note %(number)s – %(campaign)s", number=note.name, campaign=news.campaign.title(language))
        return _build(news, subject, paragraphs, has_document=True)


def call_reminder(news: CallNews, reminder: Reminder) -> EmailContent:
    """That something of the call is open, a week before it is due or after it was."""
    language, call = news.funder.language, news.call
    assert call.due_on is not None
    with force_locale(language):
        named = {**_named(call, language), "day": format_day(call.due_on, language), "campaign": news.campaign.title(language)}
        text = (
            gettext("A reminder: our call no. %(number)s of %(amount)s for %(campaign)s is due on %(day)s.", **named)
            if reminder is Reminder.BEFORE
            else gettext(
                "Our call no. %(number)s of %(amount)s for %(campaign)s was due on %(day)s, and we have not seen all of it yet.", **named
            )
        )
        open_ = gettext(
            "To be paid: %(open)s, with the reference %(number)s. The call is attached again.",
            open=format_money(news.open_cents, language),
            number=call.name,
        )
        crossed = gettext("If you have paid in the last days, thank you: please disregard this message.")
        paragraphs = [Paragraph(text), Paragraph(open_), Paragraph(crossed), contact_line(news.campaign.charity)]
        subject = (
            gettext("Call for funds %(number)s is due soon – %(campaign)s", **named)
            if reminder is Reminder.BEFORE
            else gettext("Call for funds %(number)s is overdue – %(campaign)s", **named)
        )
        return _build(news, subject, paragraphs, has_document=True)


def call_cancelled(news: CallNews, *, cancelled_on: date, still_open_cents: int) -> EmailContent:
    """That a call is no longer asked for, and what is still to be paid of others. Why is for the audit trail."""
    language = news.funder.language
    with force_locale(language):
        text = gettext(
            "We have cancelled our call for %(campaign)s, no. %(number)s of %(amount)s, on %(day)s. Please do not pay it.",
            day=format_day(cancelled_on, language),
            campaign=news.campaign.title(language),
            **_named(news.call, language),
        )
        later = gettext("What is matched from your pledge stays matched, and is part of a later call.")
        others = (
            gettext("Of our other calls, %(open)s is still to be paid.", open=format_money(still_open_cents, language))
            if still_open_cents
            else gettext("Nothing is to be paid now.")
        )
        paragraphs = [Paragraph(text), Paragraph(others), Paragraph(later), contact_line(news.campaign.charity)]
        subject = gettext(
            "Call for funds %(number)s is cancelled – %(campaign)s", number=news.call.name, campaign=news.campaign.title(language)
        )
        return _build(news, subject, paragraphs, has_document=False)


def _build(news: CallNews, subject: str, paragraphs: list[Paragraph], *, has_document: bool) -> EmailContent:
    recipient = recipient_of_funder(news.funder, news.campaign, is_test=news.is_test)
    document = news.call if has_document else None
    return build_email(recipient, subject, paragraphs, call=document, code=for_an_audit(news.head))


def of_kind(news: CallNews) -> EmailContent:
    """The e-mail that brings the call or credit note."""
    return call_issued(news) if news.call.kind == CallKind.CALL else credit_note_issued(news)
