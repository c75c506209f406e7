"""E-mails to staff, in both languages: a staff member has no language setting."""

from collections.abc import Mapping, Sequence

from flask_babel import force_locale, gettext, lazy_gettext, lazy_ngettext
from flask_babel.speaklater import LazyString

from campaign.campaigns.charities import Charity
from campaign.funders.payment_descriptions import describe_request
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment
from campaign.mail.letters.frame import Paragraph, Recipient, build_email
from campaign.matching.funds import Fund
from campaign.matching.pledge_requests import PledgeRequest
from campaign.outbox.deliveries import EmailContent
from campaign.rules.money import format_money

LANGUAGES = ("en", "fr")


def staff_todo(counts: Mapping[str, int], *, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """`counts` is the number of open items by name (reporting/staff_todo.py); `url` is the dashboard."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            paragraphs.append(Paragraph(gettext("This needs attention:")))
            paragraphs += [Paragraph("– " + describe_todo(name, count)) for name, count in counts.items()]
            paragraphs.append(Paragraph(gettext("Everything is on your first page:"), url))
            subjects.append(gettext("Needs attention"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def pledge_requested(request: PledgeRequest, fund: Fund, *, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """Somebody asks to raise a pledge; `url` is the page where another person decides."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            asked = gettext(
                "%(who)s asks to raise the pledge of the fund %(fund)s by %(amount)s: %(reason)s", **_raise(request, fund, language)
            )
            paragraphs.append(Paragraph(asked))
            paragraphs.append(Paragraph(gettext("Another manager or administrator agrees or refuses here:"), url))
            paragraphs.append(Paragraph(_warning()))
            subjects.append(gettext("Raise a pledge?"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def pledge_decided(request: PledgeRequest, fund: Fund, *, recipient: str, charity: Charity, url: str, is_test: bool) -> EmailContent:
    """Somebody agreed to raise a pledge, so that it is raised, or refused; `url` is the page of funds."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            paragraphs.append(Paragraph(_decision(request, fund, language), url))
            paragraphs.append(Paragraph(_warning()))
            subjects.append(gettext("A pledge is raised") if request.is_agreed else gettext("A pledge is not raised"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def payment_change_requested(
    request: FunderPaymentRequest, payment: FunderPayment, fund: Fund, *, recipient: str, charity: Charity, url: str, is_test: bool
) -> EmailContent:
    """Somebody asks to correct or reverse a payment; `url` is the page where another person decides."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            named = {"who": request.requested_by, "fund": fund.name(language), "reason": request.reason}
            paragraphs.append(Paragraph(gettext("%(who)s asks to change a payment to the fund %(fund)s: %(reason)s", **named)))
            paragraphs.append(Paragraph(_change(request, payment, language)))
            paragraphs.append(Paragraph(gettext("Another manager or administrator agrees or refuses here:"), url))
            paragraphs.append(Paragraph(_warning()))
            subjects.append(gettext("Change a payment?"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def payment_change_decided(
    request: FunderPaymentRequest, payment: FunderPayment, fund: Fund, *, recipient: str, charity: Charity, url: str, is_test: bool
) -> EmailContent:
    """Somebody agreed to correct or reverse a payment, so that it is done, or refused; `url` is the page of the fund's payments."""
    paragraphs, subjects, endings = [], [], []
    for language in LANGUAGES:
        with force_locale(language):
            named = {"decided_by": request.decided_by, "who": request.requested_by, "fund": fund.name(language), "reason": request.reason}
            text = (
                gettext(
                    "%(decided_by)s agreed to what %(who)s asked for, and a payment to the fund %(fund)s is changed: %(reason)s", **named
                )
                if request.is_agreed
                else gettext(
                    "%(decided_by)s refused what %(who)s asked for, and the payment to the fund %(fund)s stays as it is: %(reason)s",
                    **named,
                )
            )
            paragraphs += [Paragraph(text), Paragraph(_change(request, payment, language), url), Paragraph(_warning())]
            subjects.append(gettext("A payment is changed") if request.is_agreed else gettext("A payment is not changed"))
            endings.append(gettext("With thanks,"))
    return in_both(recipient, charity, subjects, paragraphs, endings, is_test=is_test)


def _change(request: FunderPaymentRequest, payment: FunderPayment, language: str) -> str:
    return describe_request(request, payment, language)


def _decision(request: PledgeRequest, fund: Fund, language: str) -> str:
    named = {**_raise(request, fund, language), "decided_by": request.decided_by}
    if request.is_agreed:
        return str(
            gettext(
                "%(decided_by)s agreed to what %(who)s asked for: the pledge of the fund %(fund)s is raised by %(amount)s. Reason: %(reason)s",
                **named,
            )
        )
    return str(
        gettext(
            "%(decided_by)s refused what %(who)s asked for: the pledge of the fund %(fund)s is not raised by %(amount)s. Reason: %(reason)s",
            **named,
        )
    )


def _raise(request: PledgeRequest, fund: Fund, language: str) -> dict[str, str]:
    amount = format_money(request.cents, language)
    return {"who": request.requested_by, "fund": fund.name(language), "amount": amount, "reason": request.reason}


def _warning() -> str:
    return str(
        gettext(
            "If you are named here and did not do this, tell the other managers and whoever runs the service at once. The fund can be paused."
        )
    )


def in_both(
    recipient: str, charity: Charity, subjects: Sequence[str], paragraphs: Sequence[Paragraph], endings: Sequence[str], *, is_test: bool
) -> EmailContent:
    """One e-mail with the paragraphs of both languages."""
    to_staff = Recipient(address=recipient, name="", greeted_as="", language=LANGUAGES[0], charity=charity, is_test=is_test)
    greeting = " / ".join(map(charity.name, LANGUAGES))
    with force_locale(to_staff.language):
        return build_email(to_staff, " / ".join(subjects), paragraphs, greeting=greeting, ending=" / ".join(endings))


def describe_todo(name: str, count: int) -> str:
    """One item of the list as a sentence, in the current language."""
    sentences = {
        "findings": lazy_ngettext("%(num)s finding in the books", "%(num)s findings in the books", count),
        "unchecked": lazy_gettext("The books have not been checked for more than an hour."),
        "failing_jobs": lazy_ngettext(
            "%(num)s job in the background keeps failing.", "%(num)s jobs in the background keep failing.", count
        ),
        "to_post": lazy_ngettext("%(num)s receipt or letter to print and post", "%(num)s receipts and letters to print and post", count),
        "paused_funds": lazy_ngettext("%(num)s fund is paused", "%(num)s funds are paused", count),
        "percent_on_hold": lazy_gettext(
            "%(num)s%% of what a fund has left has been on hold for ten minutes or more, for gifts that are not paid.", num=count
        ),
        "busy_networks": lazy_gettext("One network has begun %(num)s checkouts within an hour that are not paid.", num=count),
        "card_testing": lazy_gettext("The guard against card testing is on, so each gift takes one more step."),
        **_describe_charity(count),
        "quarantined": lazy_ngettext(
            "%(num)s payment is in quarantine and waits for a decision.",
            "%(num)s payments are in quarantine and wait for a decision.",
            count,
        ),
        "dead_events": lazy_ngettext(
            "%(num)s event from Stripe could not be handled.", "%(num)s events from Stripe could not be handled.", count
        ),
        "differences": lazy_ngettext(
            "%(num)s difference between our books and Stripe’s is open.",
            "%(num)s differences between our books and Stripe’s are open.",
            count,
        ),
        "disputes": lazy_ngettext(
            "%(num)s dispute of a gift waits for an answer at Stripe.", "%(num)s disputes of gifts wait for an answer at Stripe.", count
        ),
        "alerts": lazy_ngettext("%(num)s alert about money at Stripe is open.", "%(num)s alerts about money at Stripe are open.", count),
        "webhooks_silent": lazy_gettext("Stripe’s webhooks are silent."),
        "dead_mail": lazy_ngettext("%(num)s email could not be delivered.", "%(num)s emails could not be delivered.", count),
        "returned_mail": lazy_ngettext("%(num)s email came back.", "%(num)s emails came back.", count),
        **_describe_returns(count),
        "receipts": lazy_ngettext("%(num)s receipt waits for what it lacks", "%(num)s receipts wait for what they lack", count),
        **_describe_privacy(count),
        **_requests(count),
        **_describe_calls(count),
    }
    return str(sentences[name])


def _describe_charity(count: int) -> dict[str, LazyString]:
    """What is not right about the charity's details."""
    return {
        "unconfirmed": lazy_gettext("The charity’s details are not confirmed, so no official receipt is issued for real money."),
        "unreachable": lazy_ngettext(
            "%(num)s address at which donors reach the charity is not a real one.",
            "%(num)s addresses at which donors reach the charity are not real ones.",
            count,
        ),
    }


def _describe_privacy(count: int) -> dict[str, LazyString]:
    """People who asked about their data, or must hear what became of it."""
    return {
        "privacy_overdue": lazy_ngettext("%(num)s privacy request is overdue.", "%(num)s privacy requests are overdue.", count),
        "privacy_due_soon": lazy_ngettext(
            "%(num)s privacy request is due within seven days.", "%(num)s privacy requests are due within seven days.", count
        ),
        "incidents": lazy_ngettext(
            "%(num)s confidentiality incident with a risk of serious injury is still to be reported.",
            "%(num)s confidentiality incidents with a risk of serious injury are still to be reported.",
            count,
        ),
    }


def _requests(count: int) -> dict[str, LazyString]:
    """What waits for a person, or a second one."""
    return {
        "messages": lazy_ngettext(
            "%(num)s message of a donor for the funder waits to be read.",
            "%(num)s messages of donors for the funder wait to be read.",
            count,
        ),
        "wall": lazy_ngettext(
            "%(num)s gift waits to be shown on the campaign’s page.", "%(num)s gifts wait to be shown on the campaign’s page.", count
        ),
        "voids": lazy_ngettext(
            "%(num)s receipt waits for a second person to void it.", "%(num)s receipts wait for a second person to void them.", count
        ),
        "pledges": lazy_ngettext(
            "%(num)s request to raise a pledge waits for a second person.",
            "%(num)s requests to raise a pledge wait for a second person.",
            count,
        ),
        "seals": lazy_ngettext(
            "%(num)s request to seal a campaign waits for a second person.",
            "%(num)s requests to seal campaigns wait for a second person.",
            count,
        ),
        "payments": lazy_ngettext(
            "%(num)s request to change a payment of a funder waits for a second person.",
            "%(num)s requests to change payments of funders wait for a second person.",
            count,
        ),
    }


def _describe_calls(count: int) -> dict[str, LazyString]:
    """What funders owe, and what is to be posted to them."""
    return {
        "uncalled": lazy_ngettext(
            "%(num)s fund has ended, and not all that is matched of it is called yet.",
            "%(num)s funds have ended, and not all that is matched of them is called yet.",
            count,
        ),
        "calls_overdue": lazy_ngettext(
            "%(num)s call for funds is overdue, and not all of it is paid.",
            "%(num)s calls for funds are overdue, and not all of them are paid.",
            count,
        ),
        "calls_to_post": lazy_ngettext(
            "%(num)s call for funds or credit note to print and post", "%(num)s calls for funds and credit notes to print and post", count
        ),
    }


def _describe_returns(count: int) -> dict[str, LazyString]:
    """The items about information returns, by urgency."""
    return {
        "returns_overdue": lazy_ngettext(
            "%(num)s information return about a returned gift is overdue.",
            "%(num)s information returns about returned gifts are overdue.",
            count,
        ),
        "returns_due_soon": lazy_ngettext(
            "%(num)s information return about a returned gift is due within two weeks.",
            "%(num)s information returns about returned gifts are due within two weeks.",
            count,
        ),
        "returns_due": lazy_ngettext(
            "%(num)s information return about a returned gift is due.",
            "%(num)s information returns about returned gifts are due.",
            count,
        ),
    }
