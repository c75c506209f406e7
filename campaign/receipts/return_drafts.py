"""Drafts of an information return and of its copy for the donor, filled in for the charity to check, sign and send.

The return is a letter with what the Income Tax Regulations, s. 3501.1, ask for: the property, its value, the day, whom it was returned to, and
what the receipt said (CRA guidance CG-016). A draft is rendered again each time, from the return and the receipts as they are then.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.config import resource
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.receipts import information_returns, receipts
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import Receipt, Status
from campaign.rules.money import format_money
from campaign.texts.document_labels import information_return_labels

TEMPLATE = resource("templates") / "receipts" / "information_return.typ"
# A label, and the lines beside it.
Row = tuple[str, list[str]]


class Reader(StrEnum):
    """Whom the letter is for."""

    AGENCY = "agency"
    DONOR = "donor"


def render_draft(task: InformationReturn, reader: Reader, *, language: str) -> bytes:
    """The draft as PDF, in one language. The donor's has a letter before the copy of the return. Raises RenderingFailed."""
    receipt = db.session.get_one(Receipt, task.receipt_id)
    charity = db.session.get_one(Charity, receipt.charity_id)
    labels, revised = information_return_labels(language), _revised_receipt(receipt)
    data = {
        "labels": labels,
        "language": language,
        "is_test": bool(receipt.content.get("is_test", True)),
        "charity_name": charity.legal_name,
        "charity_address": charity.address,
        "registration_number": charity.registration_number,
        "signatory": f"{charity.signatory_name}, {charity.signatory_title(language)}",
        "serial": receipt.serial,
        "donor": [receipt.content["donor_name"], *receipt.content["donor_address"]],
        "letter": _words_to_donor(task, receipt, revised, charity, labels, language) if reader is Reader.DONOR else [],
        "property": list(_property(task, receipt, charity, labels, language)),
        "receipt": list(_receipt(task, receipt, revised, charity, labels, language)),
    }
    return pdf.render(TEMPLATE, data, at=task.opened_at)


def file_name(task: InformationReturn, reader: Reader, *, language: str) -> str:
    """The name of the PDF as a download, in ASCII."""
    serial = db.session.get_one(Receipt, task.receipt_id).serial
    return f"information-return-{serial}-{reader}-{language}.pdf"


def _revised_receipt(receipt: Receipt) -> Receipt | None:
    """The valid receipt that has replaced this one, directly or after others; None when none is valid."""
    replacement = receipts.replacement_of(receipt)
    while replacement is not None and receipts.status_of(replacement) is not Status.VALID:
        replacement = receipts.replacement_of(replacement)
    return replacement


def _words_to_donor(
    task: InformationReturn, receipt: Receipt, revised: Receipt | None, charity: Charity, labels: Mapping[str, str], language: str
) -> list[str]:
    ended = labels["donor_revised"] % {"serial": receipt.serial, "new": revised.serial} if revised else labels["donor_ended"]
    return [
        labels["donor_intro"] % {"amount": format_money(task.returned_cents, language)},
        ended if revised else ended % {"serial": receipt.serial},
        labels["donor_claimed"],
        labels["donor_contact"] % {"email": charity.email},
    ]


def _property(task: InformationReturn, receipt: Receipt, charity: Charity, labels: Mapping[str, str], language: str) -> Iterator[Row]:
    """The property, its value and its day, and whom it was returned to (Income Tax Regulations, s. 3501.1, a to d)."""
    yield labels["description"], [f"{labels['money']} ({receipt.content['currency']})"]
    yield labels["value"], [format_money(task.returned_cents, language)]
    parts = information_returns.parts_of(task)
    if len(parts) < 2:
        yield labels["returned_on"], [task.returned_on.isoformat()]
    for part in parts if len(parts) > 1 else []:
        assert part.returned_at
        yield labels["part"] % {"day": charity.local(part.returned_at).date()}, [format_money(part.posted_cents, language)]
    yield labels["returned_to"], [receipt.content["donor_name"], *receipt.content["donor_address"]]
    yield labels["due_on"], [task.due_on.isoformat()]


def _receipt(
    task: InformationReturn, receipt: Receipt, revised: Receipt | None, charity: Charity, labels: Mapping[str, str], language: str
) -> Iterator[Row]:
    """What the receipt said (e), and what has become of it."""
    content: Mapping[str, Any] = receipt.content
    yield labels["serial"], [receipt.serial]
    if content["replaces"]:
        yield labels["replaces"], [content["replaces"]]
    yield labels["issued_by"], [", ".join((content["charity_name"], *content["charity_address"], content["registration_number"]))]
    yield labels["place_of_issue"], [content["place_of_issue"]]
    yield labels["issued_on"], [content["issued_on"]]
    yield labels["received_on" if content["received_on"] else "received_in"], [str(content["received_on"] or content["received_in"])]
    yield labels["donor_name"], [content["donor_name"]]
    yield labels["donor_address"], [", ".join(content["donor_address"])]
    yield labels["amount"], [format_money(content["amount_cents"], language)]
    yield from _gift_of_annual_receipt(task, receipt, charity, labels, language)
    advantage = format_money(content["advantage_cents"], language)
    yield labels["advantage"], [f"{labels['none']}, {advantage}" if content["advantage_cents"] == 0 else advantage]
    yield labels["eligible"], [format_money(content["eligible_cents"], language)]
    yield labels["signed_by"], [f"{content['signatory_name']}, {content['signatory_title']}"]
    yield labels["state"], [_state(revised, labels, language)]


def _gift_of_annual_receipt(
    task: InformationReturn, receipt: Receipt, charity: Charity, labels: Mapping[str, str], language: str
) -> Iterator[Row]:
    """The one gift of a receipt for a year that was returned."""
    if receipt.content["received_on"] is None and task.donation_id is not None:
        received_at = db.session.get_one(Donation, task.donation_id).received_at
        assert received_at
        yield labels["this_gift"] % {"day": charity.local(received_at).date()}, [format_money(task.receipted_cents, language)]


def _state(revised: Receipt | None, labels: Mapping[str, str], language: str) -> str:
    if revised is None:
        return labels["ended"]
    values = {"serial": revised.serial, "day": revised.content["issued_on"], "amount": format_money(revised.cents, language)}
    return labels["revised"] % values
