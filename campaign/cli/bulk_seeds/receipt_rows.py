"""Receipts of a seeded history: numbered in the order of issue, replaced after refunds, one a year for donors who chose that.

No document is stored with them: one is rendered when somebody opens it, as for a receipt whose email was never sent.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from campaign.campaigns.charities import Charity
from campaign.cli.bulk_seeds.entries import OfGift
from campaign.cli.bulk_seeds.people import Person
from campaign.cli.bulk_seeds.plan import DAY
from campaign.cli.bulk_seeds.tables import Rows, escape, moment, optional_moment
from campaign.edges.links import Links
from campaign.receipts.contents import IssueContext, charity_fields
from campaign.receipts.numbering import series_of
from campaign.rules.receipt_requirements import (
    INFORMATION_RETURN_ABOVE_CENTS,
    INFORMATION_RETURN_WITHIN_DAYS,
    LANGUAGES,
    ReceiptContent,
    format_serial,
)

SYSTEM_ACTOR, FILED_BY = "the books", "clerk@example.org"
# Returns are filed after so many days.
FILED_AFTER = 40
_QUARTER = 900
_OWN = frozenset(
    {
        *("received_on", "received_in", "gifts", "issued_on", "donor_name", "donor_address", "amount_cents", "eligible_cents"),
        *("replaces", "check_url"),
    }
)
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A receipt that is valid."""

    id: int
    serial: str
    cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A donation on a receipt, with its cents on it and when it was received."""

    gift: OfGift
    cents: int
    received_at: int


class ReceiptRows:
    """Issues and replaces receipts of one charity, and opens information returns."""

    def __init__(self, rows: Rows, charity: Charity, links: Links, *, currency: str, first_id: int, first_return_id: int, end: int) -> None:
        self.last_numbers: Counter[int] = Counter()
        self.next_id, self.next_return_id = first_id, first_return_id
        self._rows = rows
        self._charity = charity
        self._links = links
        self._zone = ZoneInfo(charity.time_zone)
        self._days: dict[int, date] = {}
        self._end = end
        context = IssueContext(now=datetime.now(UTC), links=links)
        self._content = {language: self._common(language, context, currency) for language in LANGUAGES}

    def issue(
        self, person: Person, lines: Sequence[Line], *, at: int, received_in: int | None = None, replaces: Issued | None = None
    ) -> Issued:
        """Issue a receipt for these donations, all of them for a year."""
        number, self.next_id = self.next_id, self.next_id + 1
        issued_on, cents = self.day(at), sum(line.cents for line in lines)
        year = series_of(self._charity, issued_on.year)
        self.last_numbers[year] += 1
        serial = format_serial(year, self.last_numbers[year])
        code = sha256(f"{self._charity.id}:{serial}".encode()).hexdigest()[:22]
        days = [self.day(line.received_at) for line in lines]
        gifts = [{"received_on": day.isoformat(), "cents": line.cents} for day, line in zip(days, lines, strict=True)]
        own = {
            "received_on": None if received_in else days[0].isoformat(),
            "received_in": received_in,
            "gifts": gifts if received_in else [],
            "issued_on": issued_on.isoformat(),
            "donor_name": person.name,
            "donor_address": person.address_lines,
            "amount_cents": cents,
            "eligible_cents": cents,
            "replaces": replaces.serial if replaces else "",
            "check_url": self._links.receipt_check(person.language, code),
        }
        frozen = self._content[person.language] + escape(_encode(own)[1:])
        series = (number, self._charity.id, year, self.last_numbers[year], serial)
        self._rows.add("receipt", *series, frozen, moment(at), code, replaces.id if replaces else None)
        return Issued(id=number, serial=serial, cents=cents)

    def add_lines(self, receipt: Issued, lines: Sequence[Line], *, is_current: bool) -> None:
        """Add the lines of the receipt, which are current until it ends."""
        for line in lines:
            self._rows.add("receipt_line", receipt.id, line.gift.id, line.cents, is_current)

    def end(self, receipt: Issued, *, at: int, is_replaced: bool) -> None:
        """End a receipt whose donation was returned, in part or in full."""
        self._rows.add("receipt_end", receipt.id, "replaced" if is_replaced else "cancelled", "returned", SYSTEM_ACTOR, "", moment(at))

    def report_returned(self, line: Line, receipt: Issued, *, reversal_id: int, cents: int, at: int) -> None:
        """Open the information return on what was returned after the receipt, if it is more than the limit. Old ones are filed."""
        if cents <= INFORMATION_RETURN_ABOVE_CENTS:
            return
        number, self.next_return_id = self.next_return_id, self.next_return_id + 1
        day, filed_at = self.day(at), at + FILED_AFTER * DAY
        is_filed = filed_at < self._end and number % 50 > 0
        dates = (day.isoformat(), (day + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS)).isoformat(), moment(at + 60))
        closed = (optional_moment(filed_at), FILED_BY, self.day(filed_at).isoformat(), "mail") if is_filed else (None, None, None, None)
        self._rows.add("information_return", number, receipt.id, line.gift.id, line.cents, cents, *dates, *closed)
        self._rows.add("reported_reversal", reversal_id, number, cents, moment(at + 60))

    def day(self, at: int) -> date:
        """The day in the charity's time zone."""
        quarter = at // _QUARTER  # No time zone changes within a quarter of an hour.
        if quarter not in self._days:
            self._days[quarter] = datetime.fromtimestamp(at, self._zone).date()
        return self._days[quarter]

    def _common(self, language: str, context: IssueContext, currency: str) -> str:
        """The fields that all receipts in a language share, as the beginning of a JSON object, followed by a comma."""
        fields = charity_fields(self._charity, context, language=language, code="")
        content = ReceiptContent(
            **fields,
            received_on=None,
            donor_name="",
            donor_address=(),
            amount_cents=0,
            advantage_cents=0,
            eligible_cents=0,
            currency=currency,
            is_test=True,
        )
        common = {name: value for name, value in content.as_json().items() if name not in _OWN}
        return escape(_encode(common)[:-1]) + ","
