"""All about one person as a ZIP archive, built in memory: JSON to take along, a page to read in the person's language, and their receipts as PDF."""

import io
import json
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import render_template
from flask_babel import force_locale, gettext

from campaign.campaigns.charities import Charity
from campaign.donations import shared_messages, wall_entries
from campaign.donations.donations import Donation
from campaign.outbox import deliveries, messages
from campaign.payments.status import shown_states_of
from campaign.privacy import erasure, person_data
from campaign.receipts import receipts, render_jobs
from campaign.receipts.receipts import Receipt
from campaign.rules.money import format_money
from campaign.texts.dates import format_day, format_moment
from campaign.texts.file_names import Document, file_name
from campaign.web.errors import campaign_or_404
from campaign.web.labels import country_name, status_labels, tribute_sentence
from campaign.web.public.wall_choice import shown_values


@dataclass(frozen=True, kw_only=True)
class PersonFile:
    """The archive, its SHA-256 in hexadecimal, and how many gifts and receipts are in it."""

    content: bytes
    sha256: str
    gifts: int
    receipts: int


def build(donor_id: int) -> PersonFile:
    """Build the archive. Raises RenderingFailed when a receipt that was never rendered cannot be."""
    person, donations = erasure.get_person(donor_id)
    language = donations[-1].language if donations else "en"
    own_receipts = person_data.receipts_of(donor_id)
    data = person_data.all_about(donor_id)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, force_locale(language):
        archive.writestr("data.json", json.dumps(data, ensure_ascii=False, indent=1))
        name = file_name(Document.READ_ME, language=language, extension="html")
        archive.writestr(name, _page(list(person.emails), donations, own_receipts, language))
        for receipt in own_receipts:
            if receipt.content["donor_name"]:
                archive.writestr(receipt.file_name, render_jobs.get_or_render_pdf(receipt))
    content = file.getvalue()
    return PersonFile(content=content, sha256=sha256(content).hexdigest(), gifts=len(donations), receipts=len(own_receipts))


def _page(emails: list[str], donations: list[Donation], own_receipts: list[Receipt], language: str) -> str:
    charity = campaign_or_404().charity
    return render_template(
        "staff/person_file.html",
        charity_name=charity.name(language),
        officer=charity.privacy_officer,
        emails=emails,
        gifts=[_gift(gift, charity, language) for gift in donations],
        receipts=[_receipt(receipt, language) for receipt in own_receipts],
        mails=[line for gift in donations for line in _mails(gift, charity, language)],
    )


def _gift(gift: Donation, charity: Charity, language: str) -> dict[str, Any]:
    agreed = format_moment(charity.local(gift.news_consent_at), language) if gift.news_consent_at else ""
    facts = {
        gettext("State"): status_labels()[shown_states_of([gift])[gift.id]],
        gettext("Name"): gift.full_name,
        gettext("Organization"): gift.organization,
        gettext("Address"): ", ".join((*gift.lines_in_country, country_name(gift.country) if gift.country else "")),
        gettext("Email"): gift.email,
        gettext("Public name"): gift.public_name,
        gettext("Dedication"): gift.tribute_name,
        gettext("Message"): gift.message,
        gettext("The funder may read the message"): _sharing(gift, charity, language),
        gettext("On the campaign’s page"): _on_wall(gift),
        gettext("Agreed to news"): agreed,
        gettext("Number"): gift.public_id,
    }
    day = format_day(charity.local(gift.received_at or gift.started_at).date(), language)
    return {
        "amount": format_money(gift.amount_cents, language),
        "day": day,
        "facts": {name: value for name, value in facts.items() if value},
    }


def _sharing(gift: Donation, charity: Charity, language: str) -> str:
    """Since when the donor agrees to it."""
    found = shared_messages.find_of(gift)
    return format_moment(charity.local(found.shared_at), language) if found else ""


def _on_wall(gift: Donation) -> str:
    """What everybody may see of the gift; empty for nothing."""
    entry = wall_entries.find_of(gift)
    if entry is None:
        return ""
    shown = shown_values(entry, gift)
    tribute = tribute_sentence(gift) if shown["tribute_name"] else ""
    return ", ".join(filter(None, (shown["name"] or gettext("Someone"), shown["province"], tribute)))


def _receipt(receipt: Receipt, language: str) -> dict[str, str]:
    states = {
        receipts.Status.VALID: gettext("valid"),
        receipts.Status.REPLACED: gettext("replaced"),
        receipts.Status.CANCELLED: gettext("cancelled"),
    }
    amount = format_money(receipt.cents, language)
    return {"serial": receipt.serial, "amount": amount, "state": states[receipts.status_of(receipt)], "file": receipt.file_name}


def _mails(gift: Donation, charity: Charity, language: str) -> list[dict[str, str]]:
    found = [email for message in messages.messages_of(gift.id) if (email := deliveries.email_of(message.id)) and not email.is_erased]
    return [
        {
            "at": format_moment(charity.local(email.frozen_at), language),
            "subject": email.subject,
            "to": email.recipient,
            "text": person_data.text_of(email.outbox_id),
        }
        for email in found
    ]
