"""The parts of a donor's page, formatted for display: sums by year, gifts, receipts, emails, names and addresses, consents, what happened."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, assert_never

from flask import url_for
from flask_babel import gettext, ngettext

from campaign.campaigns.charities import Charity, list_charities
from campaign.donations import news_withdrawals, wall_entries
from campaign.donations.donations import Donation, donations_by_id
from campaign.donations.news_agreements import agreements_of
from campaign.matching.holds import NO_MATCH, matches_of
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.payments.status import shown_states_of
from campaign.receipts import annual, receipts
from campaign.receipts.receipts import Receipt
from campaign.recurring import contact_changes
from campaign.reporting import donor_record, donor_timeline
from campaign.reporting.donor_timeline import Acted, Agreed, GiftLine, Line, ReceiptEnded, ReceiptIssued
from campaign.rules.money import format_money
from campaign.texts import actors, audit_details, audit_entries, donation_timeline
from campaign.texts.consent_words import consent_words
from campaign.texts.donation_timeline import TimelineEvent
from campaign.web.chosen_campaign import of_charity
from campaign.web.labels import end_reason_labels, language_labels, receipt_status_labels, status_labels, tribute_sentence
from campaign.web.languages import current_language
from campaign.web.staff.declarations import change_rows
from campaign.web.staff.mail import mail_lines
from campaign.web.staff.wall import wall_words

CARRY_RECEIPT = frozenset({MessageKind.RECEIPT, MessageKind.RECEIPT_COPY, MessageKind.ANNUAL_RECEIPT})


def _money(cents: int) -> str:
    return format_money(cents, current_language())


def _day(moment: datetime, charity: Charity) -> str:
    return charity.local(moment).date().isoformat()


def _minute(moment: datetime, charity: Charity) -> str:
    return f"{charity.local(moment):%Y-%m-%d %H:%M}"


def names_of_charities(ids: Collection[int]) -> dict[int, str]:
    """The names of these charities by id; empty for a single one, which needs no name."""
    found = {one.id: one.name(current_language()) for one in list_charities() if one.id in ids}
    return found if len(found) > 1 else {}


def year_rows(years: Sequence[donor_record.YearSums]) -> list[dict[str, Any]]:
    """The sums of each year, and of all when there are several."""
    rows = [(str(one.year), [one]) for one in years] + ([(gettext("All years"), list(years))] if len(years) > 1 else [])
    return [
        {
            "year": year,
            "gifts": sum(one.gifts for one in of),
            "given": _money(sum(one.gross_cents for one in of)),
            "returned": _money(returned) if (returned := sum(one.returned_cents for one in of)) else "–",
            "matched": _money(matched) if (matched := sum(one.matched_cents for one in of)) else "–",
        }
        for year, of in rows
    ]


def gift_rows(gifts: Sequence[Donation], charity: Charity) -> list[dict[str, Any]]:
    """A page of gifts, each with what became of it."""
    ids, labels = [gift.id for gift in gifts], status_labels()
    states, matches, serials = shown_states_of(gifts), matches_of(ids), donor_record.valid_serials(ids)
    charities = names_of_charities({one.id for one in list_charities()})
    rows = []
    for gift in gifts:
        match, returned = matches.get(gift.id, NO_MATCH), gift.amount_cents - gift.net_cents if gift.received_at else 0
        rows.append(
            {
                "public_id": gift.public_id,
                "on": _day(gift.received_at or gift.started_at, charity),
                "amount": _money(gift.amount_cents),
                "returned": _money(returned) if returned else "–",
                "matched": _money(match.matched_cents) if match.matched_cents else "–",
                "charity": charities.get(gift.campaign.charity_id, ""),
                "is_monthly": gift.recurring_gift_id is not None,
                "state": labels[states[gift.id]],
                "serial": serials.get(gift.id, ""),
                "receipt_url": _receipt_url(serials[gift.id], gift.campaign.charity_id) if gift.id in serials else "",
            }
        )
    return rows


def _receipt_url(serial: str, charity_id: int, *, endpoint: str = "staff_receipts.page") -> str:
    """Two charities may each have a receipt of this number."""
    return url_for(endpoint, serial=serial, **of_charity(charity_id))  # type: ignore[arg-type]  # A parameter of the query.


def receipt_rows(found: Sequence[Receipt]) -> list[dict[str, Any]]:
    """A page of receipts."""
    ends, labels = receipts.ends_of([receipt.id for receipt in found]), receipt_status_labels()
    return [
        {
            "serial": receipt.serial,
            "url": _receipt_url(receipt.serial, receipt.charity_id),
            "pdf_url": _receipt_url(receipt.serial, receipt.charity_id, endpoint="staff_receipts.pdf"),
            "issued_on": receipt.content["issued_on"],
            "of": receipt.content.get("received_in") or receipt.content.get("received_on") or "",
            "amount": _money(receipt.cents),
            "state": labels[ends[receipt.id].ended_as if receipt.id in ends else receipts.Status.VALID.value],
        }
        for receipt in found
    ]


def preview_rows(donor_id: int) -> list[dict[str, Any]]:
    """The receipts for a year as they would be by now. `of` is the charity, if the donor gives to several."""
    previews = annual.list_previews(donor_id)
    firsts = donations_by_id([preview.donation_ids[0] for preview in previews])
    has_several = len({preview.charity.id for preview in previews}) > 1
    return [
        {
            "year": preview.year,
            "public_id": firsts[preview.donation_ids[0]].public_id,
            "name": firsts[preview.donation_ids[0]].full_name or gettext("no name"),
            "gifts": ngettext("%(num)s gift", "%(num)s gifts", len(preview.donation_ids)),
            "of": preview.charity.name(current_language()) if has_several else "",
        }
        for preview in previews
    ]


def mail_rows(items: list[OutboxMessage]) -> list[dict[str, Any]]:
    """A page of emails, with their subjects as far as they are composed."""
    subjects = donor_record.subjects_of([item.id for item in items])
    with_receipt = {item.id for item in items if item.kind in CARRY_RECEIPT}
    return [{**line, "subject": subjects.get(line["id"], ""), "carries_receipt": line["id"] in with_receipt} for line in mail_lines(items)]


def contact_rows(donor_ids: Sequence[int], charity: Charity) -> list[dict[str, Any]]:
    """The names and addresses that the donor's gifts have, the latest first."""
    return [
        {
            "name": one.latest.full_name or gettext("no name"),
            "person": one.latest.names.person if one.latest.organization else "",
            "lines": one.latest.address_lines,
            "gifts": ngettext("%(num)s gift", "%(num)s gifts", one.gifts),
            "first_on": _day(one.first_at, charity),
            "last_on": _day(one.last_at, charity),
            "public_id": one.latest.public_id,
            "is_paid": one.latest.received_at is not None,
        }
        for one in donor_record.names_and_addresses(donor_ids)
    ]


def correction_rows(donor_ids: Sequence[int], charity: Charity) -> list[dict[str, Any]]:
    """When and by whom names, addresses and emails were changed, from what to what; a change of several gifts once."""
    changes, language = contact_changes.list_changes_of_donor(donor_ids), current_language()
    rows: dict[int, dict[str, Any]] = {}
    for change, entry in changes:
        row = rows.setdefault(
            entry.id,
            {
                "at": _minute(entry.at, charity),
                "iso": entry.at.isoformat(),
                "actor": actors.describe_actor(entry.actor, language),
                "reason": audit_details.reason_of(entry.detail),
                "changes": [],
            },
        )
        row["changes"] += [one for one in change_rows(change) if one not in row["changes"]]
    return list(rows.values())


def consent_rows(donor_ids: Sequence[int], charity: Charity) -> list[dict[str, Any]]:
    """Each consent to news with its proof: when, with which gift, in which language and to which words."""
    labels, found = language_labels(), donor_record.consents(donor_ids)
    agreements = agreements_of([one.donation for one in found])
    languages = {
        one.donation.id: agreements[one.donation.id].language if one.donation.id in agreements else one.donation.language for one in found
    }
    return [
        {
            "at": _minute(one.at, charity),
            "iso": one.at.isoformat(),
            "public_id": one.donation.public_id,
            "email": one.donation.email,
            "language": languages[one.donation.id],
            "language_name": labels[languages[one.donation.id]],
            "words": consent_words(languages[one.donation.id]),
            "withdrawn_at": _minute(withdrawn.at, charity) if (withdrawn := news_withdrawals.withdrawal_of(one.donation)) else "",
        }
        for one in found
    ]


def tribute_rows(donor_ids: Sequence[int], charity: Charity) -> list[dict[str, Any]]:
    """Tributes and messages, and what everybody may see, with their gifts."""
    gifts = donor_record.gifts_with_words(donor_ids)
    entries = wall_entries.decisions_of(gifts)
    return [
        {
            "on": _day(gift.received_at or gift.started_at, charity),
            "public_id": gift.public_id,
            "tribute": tribute_sentence(gift),
            "message": gift.message,
            "language": gift.language,
            "wall": wall_words(entries[gift.id], gift) if gift.id in entries else "",
        }
        for gift in gifts
    ]


def timeline(donor_ids: Sequence[int], charity: Charity) -> dict[str, Any]:
    """What happened, the latest first, and whether there is more of it."""
    lines, is_cut = donor_timeline.latest_lines(donor_ids)
    return {
        "lines": [{"at": _minute(line.at, charity), "iso": line.at.isoformat(), "reason": "", **_timeline_row(line)} for line in lines],
        "is_cut": is_cut,
    }


def _timeline_row(line: Line) -> dict[str, str]:
    """The sentence of a line, who did it and why, and where more is said about it."""
    language = current_language()
    match line:
        case GiftLine():
            text = donation_timeline.describe(TimelineEvent(kind=line.kind, cents=line.cents), language)
            return {"text": text, "url": url_for("staff_donations.page", public_id=line.public_id)}
        case ReceiptIssued():
            sums = {"serial": line.serial, "amount": _money(line.cents)}
            text = (
                gettext("Receipt %(serial)s for %(amount)s was issued in place of %(replaced)s.", replaced=line.replaced, **sums)
                if line.replaced
                else gettext("Receipt %(serial)s for %(amount)s was issued.", **sums)
            )
            return {"text": text, "url": _receipt_url(line.serial, line.charity_id)}
        case ReceiptEnded():
            reason = end_reason_labels()[line.reason]
            text = gettext("Receipt %(serial)s ended: %(reason)s.", serial=line.serial, reason=reason)
            return {"text": text, "url": _receipt_url(line.serial, line.charity_id)}
        case Agreed():
            return {"text": gettext("The donor agreed to news by email."), "url": url_for("staff_donations.page", public_id=line.public_id)}
        case Acted():
            return _act_row(line)
        case _:
            assert_never(line)


def _act_row(line: Acted) -> dict[str, str]:
    entry, language = line.entry, current_language()
    is_about_donor = entry.subject.startswith("donor ")
    who = actors.describe_actor(entry.actor, language)
    if entry.actor in actors.ACTORS:  # Words rather than an address, which begin the sentence.
        who = who[0].upper() + who[1:]
    return {
        "text": gettext("%(who)s %(did)s.", who=who, did=audit_entries.describe_action(entry.action, language)),
        "reason": audit_details.reason_of(entry.detail),
        "url": "" if is_about_donor else url_for("staff_donations.page", public_id=entry.subject),
    }
