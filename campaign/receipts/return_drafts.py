"""Drafts of an information return and of its copy for the donor, filled in for the charity to check, sign and send.

The return is a letter with what the Income Tax Regulations, s. 3501.1, ask for: the property, its value, the day, whom it was returned to, and
what the receipt said (CRA guidance CG-016). A draft is rendered again each time, from the return and the receipts as they are then.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any

from campaign.campaigns.charities import Charity
from campaign.config import resource
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.receipts import receipts, reported_reversals
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import Receipt, Status
from campaign.receipts.reported_reversals import returned_cents
from campaign.rules.money import format_money
from campaign.texts import file_names
from campaign.texts.document_labels import information_return_labels
from campaign.texts.file_names import Document

TEMPLATE = resource("templates") / "receipts" / "information_return.typ"
# A label, and the lines beside it.
Row = tuple[str, list[str]]


class Reader(StrEnum):
    """Whom the letter is for."""

    AGENCY = "agency"
    DONOR = "donor"


def render_draft(task: InformationReturn, reader: Reader, *, language: str, is_in_quebec: bool) -> bytes:
    """The draft as PDF, in one language. The donor's has a letter before the copy of the return. Raises RenderingFailed.

    A donor who lives in Québec has two tax returns to amend.
    """
    receipt = db.session.get_one(Receipt, task.receipt_id)
    charity, replacements = db.session.get_one(Charity, receipt.charity_id), receipts.replacements_of(receipt)
    labels, donor = information_return_labels(language), _donor(receipt, replacements)
    data = {
        "labels": labels,
        "language": language,
        "is_test": bool(receipt.content.get("is_test", True)),
        "charity_name": charity.legal_name,
        "charity_address": charity.address,
        "registration_number": charity.registration_number,
        "signatory": f"{charity.signatory_name}, {charity.signatory_title(language)}",
        "serial": receipt.serial,
        "donor": donor,
        "letter": _words_to_donor(task, [receipt, *replacements], charity, labels, language, is_in_quebec=is_in_quebec)
        if reader is Reader.DONOR
        else [],
        "property": list(_property(task, receipt, donor, charity, labels, language)),
        "receipt": [*_receipt(task, receipt, charity, labels, language), *_replacements([receipt, *replacements], labels, language)],
    }
    return pdf.render(TEMPLATE, data, at=task.opened_at)


def file_name(task: InformationReturn, reader: Reader, *, language: str) -> str:
    """The name of the PDF as a download, in ASCII. There may be several returns about one receipt."""
    serial = db.session.get_one(Receipt, task.receipt_id).serial
    return file_names.file_name(Document.INFORMATION_RETURN, serial, task.id, reader, language, language=language, extension="pdf")


def _donor(receipt: Receipt, replacements: Sequence[Receipt]) -> list[str]:
    """The donor's name and address as on the latest receipt: an earlier one may have had them wrong."""
    latest = [receipt, *replacements][-1]
    return [latest.content["donor_name"], *latest.content["donor_address"]]


def _words_to_donor(
    task: InformationReturn, chain: Sequence[Receipt], charity: Charity, labels: Mapping[str, str], language: str, *, is_in_quebec: bool
) -> list[str]:
    valid = [receipt.serial for receipt in chain if receipts.status_of(receipt) is Status.VALID]
    ended = [receipt.serial for receipt in chain if receipt.serial not in valid]
    said = labels[("donor_revised" if valid else "donor_ended") + ("_several" if len(ended) > 1 else "")]
    about = [said % {"serial": ", ".join(ended), "new": ", ".join(valid)}] if ended else []
    return [
        labels["donor_intro"] % {"amount": format_money(returned_cents(task), language)},
        *about,
        labels["donor_claimed_in_quebec" if is_in_quebec else "donor_claimed"],
        labels["donor_contact"] % {"email": charity.email},
    ]


def _property(
    task: InformationReturn, receipt: Receipt, donor: list[str], charity: Charity, labels: Mapping[str, str], language: str
) -> Iterator[Row]:
    """The property, its value and its day, and whom it was returned to (Income Tax Regulations, s. 3501.1, a to d)."""
    yield labels["description"], [f"{labels['money']} ({receipt.content['currency']})"]
    yield labels["value"], [format_money(returned_cents(task), language)]
    parts = reported_reversals.parts_of(task)
    days = [part.returned_on or (charity.local(part.returned_at).date() if part.returned_at else task.returned_on) for part in parts]
    if len(parts) > 1 and sum(part.cents for part in parts) == returned_cents(task):
        for part, day in zip(parts, days, strict=True):
            yield labels["part"] % {"day": day}, [format_money(part.cents, language)]
    else:
        yield labels["returned_on"], [(days[0] if len(days) == 1 else task.returned_on).isoformat()]
    yield labels["returned_to"], donor
    yield labels["due_on"], [task.due_on.isoformat()]


def _receipt(task: InformationReturn, receipt: Receipt, charity: Charity, labels: Mapping[str, str], language: str) -> Iterator[Row]:
    """What the first receipt of the gift said (e)."""
    content: Mapping[str, Any] = receipt.content
    yield labels["serial"], [receipt.serial]
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


def _gift_of_annual_receipt(
    task: InformationReturn, receipt: Receipt, charity: Charity, labels: Mapping[str, str], language: str
) -> Iterator[Row]:
    """The one gift of a receipt for a year that was returned."""
    if receipt.content["received_on"] is None and task.donation_id is not None:
        received_at = db.session.get_one(Donation, task.donation_id).received_at
        assert received_at
        yield labels["this_gift"] % {"day": charity.local(received_at).date()}, [format_money(task.receipted_cents, language)]


def _replacements(chain: Sequence[Receipt], labels: Mapping[str, str], language: str) -> Iterator[Row]:
    """What has become of the first receipt: each one that replaced another, and whether none is in the place of the last."""
    for earlier, receipt in pairwise(chain):
        values = {"serial": receipt.serial, "day": receipt.content["issued_on"], "amount": format_money(receipt.cents, language)}
        yield labels["state"] % {"serial": earlier.serial}, [labels["revised"] % values]
    last = chain[-1]
    state = "valid" if receipts.status_of(last) is Status.VALID else "ended"
    yield labels["state"] % {"serial": last.serial}, [labels[state]]
