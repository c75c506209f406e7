"""Entries of the audit trail in the reader's words: what each is about with its page, its details, and what changed from what to what.

No code, digest or number of a row is shown: what has no words is left out, or shown as the member typed it.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from flask import url_for
from flask_babel import gettext
from sqlalchemy import select

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import list_charities
from campaign.donations.donations import Donation, is_public_id
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.reporting import audit_subjects
from campaign.reporting.audit_subjects import MONTH, SERIAL
from campaign.reporting.audit_trail import Recorded
from campaign.rules import local_time
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.return_lines import Form
from campaign.staff.audit import AuditEntry
from campaign.texts import audit_details
from campaign.texts.dates import format_day, format_month
from campaign.texts.return_labels import form_number
from campaign.web.chosen_campaign import of_charity
from campaign.web.languages import current_language
from campaign.web.staff import audit_values

_NUMBERED = re.compile(r"(donor|deposit|view|guard|information return|declaration|privacy request|incident) ([0-9]{1,18})")
_DAYS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_STRIPE = re.compile(r"(evt|pi|ch|py|in|sub|re|du|dp|po|cs)_\w+")
_KEY = re.compile(r"key [0-9a-f]+")


@dataclass(frozen=True, kw_only=True)
class About:
    """What an entry is about, in words, and its page if it has one."""

    words: str
    url: str = ""


class Names:
    """The names of the donors of the gifts that these entries are about, read at once, and those of all funds, campaigns and charities.

    An entry says of which charity its receipt, deposit or month is. Where it does not, it is found out for these entries, if only one has it.
    """

    def __init__(self, entries: Collection[AuditEntry]) -> None:
        public_ids = {entry.subject for entry in entries if is_public_id(entry.subject)}
        gifts = db.session.scalars(select(Donation).where(Donation.public_id.in_(public_ids)))
        self.donors = {gift.public_id: gift.full_name for gift in gifts}
        language = current_language()
        self.funds = {fund.slug: fund.name(language) for fund in db.session.scalars(select(Fund))}
        self.campaigns = {one.slug: one.title(language) for one in db.session.scalars(select(Campaign))}
        self.charities = {one.id: one.name(language) for one in list_charities()}
        self.owners = audit_subjects.charities_of({entry.subject for entry in entries if entry.charity_id is None})

    def about(self, entry: AuditEntry) -> About:
        """What the entry is about, with the charity that has it if there are several. It leads to that charity's, and nowhere if that is unknown."""
        subject = entry.subject
        if is_public_id(subject):
            name = self.donors.get(subject, "")
            words = gettext("gift of %(name)s", name=name) if name else gettext("a gift")
            return About(words=words, url=url_for("staff_donations.page", public_id=subject))
        if subject in self.funds:
            return About(words=self.funds[subject], url=url_for("staff_payments.page", slug=subject))
        if subject in self.campaigns:
            return About(words=self.campaigns[subject])
        of = entry.charity_id or self.owners.get(subject)
        found = next(_by_form(subject, of_charity(of) if of else None), About(words=audit_values.plain(subject)))
        named = self.charities[of] if of and len(self.charities) > 1 else ""
        return replace(found, words=f"{found.words}, {named}") if named else found


def _by_form(subject: str, of: dict[str, Any] | None) -> Iterator[About]:
    """`of` are the parameters of links to what is of the charity that is meant; None if it is unknown which one is."""
    language = current_language()
    if numbered := _NUMBERED.fullmatch(subject):
        yield _numbered(numbered[1], int(numbered[2]), of)
    if SERIAL.fullmatch(subject):
        url = "" if of is None else url_for("staff_receipts.page", serial=subject, **of)
        yield About(words=gettext("receipt %(serial)s", serial=subject), url=url)
    if MONTH.fullmatch(subject):
        url = "" if of is None else url_for("staff_months.month", name=subject, **of)
        yield About(words=format_month(local_time.parse_day(f"{subject}-01"), language), url=url)
    if _STRIPE.fullmatch(subject):
        yield About(words=gettext("an event of Stripe") if subject.startswith("evt_") else gettext("a payment at Stripe"))
    if _KEY.fullmatch(subject):
        yield About(words=gettext("an old key"))
    if ":" in subject:
        yield About(words=gettext("an email"))
    yield from _by_days(subject)
    fixed = {
        "all": gettext("all"),
        "dead": gettext("all that had failed"),
        "all members": gettext("all members"),
        "audit trail": gettext("Audit trail"),
        "donations": gettext("Donations"),
        "incidents": gettext("Confidentiality incidents"),
        "privacy requests": gettext("Privacy requests"),
    }
    if subject in fixed:
        yield About(words=fixed[subject])


def _numbered(kind: str, number: int, of: dict[str, Any] | None) -> About:
    def of_charity_or_none(endpoint: str, **values: Any) -> str:
        return "" if of is None else url_for(endpoint, **values, **of)

    places: dict[str, Callable[[], About]] = {
        "donor": lambda: About(words=gettext("donor %(number)s", number=number), url=url_for("staff_donors.page", donor_id=number)),
        "deposit": lambda: About(
            words=gettext("Deposit no. %(number)s", number=number), url=of_charity_or_none("staff_deposits.page", number=number)
        ),
        "view": lambda: About(words=gettext("a saved view"), url=url_for("staff_donation_list.page")),
        "guard": lambda: About(words=gettext("the guard against card testing"), url=url_for("staff_card_testing.page")),
        "information return": lambda: About(
            words=gettext("an information return"), url=of_charity_or_none("staff_information_returns.page")
        ),
        "privacy request": lambda: About(words=gettext("a privacy request"), url=url_for("staff_privacy_requests.one", request_id=number)),
        "incident": lambda: About(words=gettext("a confidentiality incident"), url=url_for("staff_incidents.one", incident_id=number)),
        "declaration": lambda: About(words=gettext("a declaration")),
    }
    return places[kind]()


def _by_days(subject: str) -> Iterator[About]:
    """A day, days from and to, and a form of a fiscal year that ended on a day."""
    language, days = current_language(), list[date]()
    for text in _DAYS.findall(subject):
        try:
            days.append(local_time.parse_day(text))
        except InvalidLocalTime:
            return
    if not days:
        return
    first, *more = (format_day(day, language) for day in days)
    forms = [form for form in Form if subject.startswith(f"{form.value} ")]
    if forms:
        yield About(words=gettext("%(form)s, fiscal year to %(day)s", form=form_number(forms[0]), day=first))
    elif more:
        yield About(words=gettext("From %(first)s to %(last)s", first=first, last=more[0]))
    else:
        yield About(words=gettext("until %(day)s", day=first))


def details_of(recorded: Recorded) -> list[tuple[str, str]]:
    """The details that a reader needs, each with its name."""
    language, changed = current_language(), {name.partition(".")[0] for name, *_ in recorded.changes}
    found = [
        (audit_details.describe_detail(name, language), audit_values.words_of(name, value))
        for name, value in recorded.entry.detail.items()
        if name not in audit_details.HIDDEN and name not in changed and value not in (None, "", [], {})
    ]
    return [(name, value) for name, value in found if value]


def changes_of(recorded: Recorded) -> list[tuple[str, str, str]]:
    """What was changed: its name, what it was and what it is."""
    return [
        (audit_values.field_label(name), audit_values.words_of(name, old) or "–", audit_values.words_of(name, new) or "–")
        for name, old, new in recorded.changes
    ]


def changes_in_one_line(recorded: Recorded) -> str:
    """The same for a cell of a spreadsheet."""
    return "; ".join(f"{name}: {old} → {new}" for name, old, new in changes_of(recorded))


def details_in_one_line(recorded: Recorded) -> str:
    """The same for a cell of a spreadsheet."""
    return "; ".join(f"{name}: {value}" for name, value in details_of(recorded))
