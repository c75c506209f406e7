"""What the page of a gift offers once it is paid: to share the campaign, a card, a note to one's employer, a monthly gift. Nothing of it is sent by us."""

from urllib.parse import quote, urlencode

from flask import url_for
from flask_babel import gettext

from campaign.donations.donations import Donation
from campaign.edges.services import services
from campaign.mail.tribute_cards import COUNTS, may_have_cards
from campaign.payments import reversals
from campaign.payments.status import DonationStatus
from campaign.receipts import receipts
from campaign.recurring.recurring_gifts import MONTHLY, recurring_gifts_of
from campaign.rules import money
from campaign.rules.monthly_amounts import MONTHS, suggested_monthly_cents
from campaign.texts.dates import format_day
from campaign.web.labels import tribute_sentence
from campaign.web.public.card_list import cards_of


def values_of(donation: Donation, status: DonationStatus, language: str) -> dict[str, object]:
    """What the page shows of it, in the order of the page; each is empty where it makes no sense."""
    is_counted = status.state in COUNTS
    received_cents = status.net_cents + status.matched_cents
    return {
        "receives": gettext("Research receives %(amount)s", amount=money.format_money_short(received_cents, language))
        if is_counted
        else "",
        "share": _share(donation, language) if is_counted and donation.campaign.takes_gifts else None,
        "dedication": tribute_sentence(donation) if donation.tribute_name else "",
        "cards_url": url_for("card_page.page", language=language, token=donation.token) if may_have_cards(donation) else "",
        "card_url": url_for("card_page.pdf", language=language, token=donation.token) if may_have_cards(donation) else "",
        "scheduled_cards": cards_of(donation, language),
        "employer": _employer(donation, language) if is_counted and not donation.names.bears_organization else None,
        "monthly_hint": _monthly_hint(donation, language) if is_counted else None,
    }


def _share(donation: Donation, language: str) -> dict[str, object]:
    """Plain links with the public page of the campaign and a sentence that says nothing of the gift."""
    campaign = donation.campaign
    url = services().links.campaign_page(language, campaign.slug)
    words = gettext(
        "A campaign for research: %(campaign)s",
        campaign=campaign.title(language),
    )
    text = f"{words} {url}"
    mail = {"subject": campaign.title(language), "body": text}
    links = [
        (gettext("Email"), f"mailto:?{urlencode(mail, quote_via=quote)}"),
        ("WhatsApp", f"https://wa.me/?{urlencode({'text': text}, quote_via=quote)}"),
        ("Facebook", f"https://www.facebook.com/sharer/sharer.php?{urlencode({'u': url}, quote_via=quote)}"),
        ("LinkedIn", f"https://www.linkedin.com/sharing/share-offsite/?{urlencode({'url': url}, quote_via=quote)}"),
        ("Bluesky", f"https://bsky.app/intent/compose?{urlencode({'text': text}, quote_via=quote)}"),
        ("X", f"https://x.com/intent/post?{urlencode({'text': words, 'url': url}, quote_via=quote)}"),
    ]
    return {"url": url, "words": words, "title": campaign.title(language), "links": links}


def _employer(donation: Donation, language: str) -> dict[str, str]:
    """A note that the donor may send to their employer, with the facts that programs ask for."""
    charity = donation.campaign.charity
    receipt = receipts.receipt_of(donation.id)
    amount = money.format_money(reversals.retained_cents(donation), language)
    assert donation.received_at is not None
    facts = [
        gettext("Charity: %(name)s", name=charity.legal_name),
        gettext("Registration number (Canada Revenue Agency): %(number)s", number=charity.registration_number),
        gettext("Address: %(address)s", address=", ".join(charity.address)),
        gettext("Date of the gift: %(day)s", day=format_day(charity.local(donation.received_at).date(), language)),
        gettext("Amount: %(amount)s", amount=amount),
    ]
    if receipt is not None:
        facts.append(gettext("Official receipt: %(serial)s", serial=receipt.serial))
    note = "\n".join(
        [
            gettext("Hello,"),
            "",
            gettext("I made a gift to a registered charity. Do you match gifts like this one? Here are the facts:"),
            "",
            *facts,
            "",
            gettext("The charity confirms the gift on request: %(email)s", email=charity.email),
        ]
    )
    subject = gettext("Matching a gift to %(charity)s", charity=charity.name(language))
    return {"note": note, "mailto": f"mailto:?{urlencode({'subject': subject, 'body': note}, quote_via=quote)}"}


def _monthly_hint(donation: Donation, language: str) -> dict[str, str] | None:
    """A monthly gift that comes to about as much in a year, for somebody who gives none to a campaign that takes it."""
    campaign = donation.campaign
    gives_monthly = donation.recurring_gift_id is not None or (donation.email and recurring_gifts_of(donation.email))
    cents = suggested_monthly_cents(donation.amount_cents, minimum_cents=campaign.minimum_cents, maximum_cents=campaign.maximum_cents)
    if gives_monthly or not campaign.takes_gifts or not cents:
        return None
    amount, year = money.format_money_short(cents, language), money.format_money_short(cents * MONTHS, language)
    typed = money.format_typed(cents, language)
    return {
        "words": gettext("%(amount)s a month comes to %(year)s a year.", amount=amount, year=year),
        "url": url_for("campaigns.page", language=language, slug=campaign.slug, amount=typed, frequency=MONTHLY, _anchor="give"),
    }
