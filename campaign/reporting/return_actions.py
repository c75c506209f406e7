"""Records that a return was filed, with its lines, its register and its gifts as the books are in one moment."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.receipts import filed_returns
from campaign.receipts.filed_returns import FiledReturn
from campaign.reporting import filing_changes, returns, workbooks
from campaign.reporting.filing_changes import GiftThen
from campaign.reporting.gifts_received import gifts_in
from campaign.reporting.returns import ReturnsOfYear
from campaign.reporting.spreadsheets import Origin, Table
from campaign.rules.fiscal_years import Period
from campaign.rules.return_lines import Form
from campaign.staff import audit


class FilingRefused(Exception):
    """The day of filing is not after the fiscal year, or has not come yet."""


class FilingDoubtful(Exception):
    """These gifts changed since the day of filing: the copy would have other figures than the return."""

    def __init__(self, changed: Sequence[GiftThen]) -> None:
        super().__init__(f"{len(changed)} gifts changed")
        self.changed = changed


def record_filed_return(
    charity: Charity,
    form: Form,
    period: Period,
    tables: Callable[[ReturnsOfYear], Sequence[Table]],
    origin: Origin,
    *,
    filed_on: date,
    actor: str,
    note: str,
    may_differ: bool = False,
) -> FiledReturn:
    """Record that the return was filed, with the workbook of these tables. An amended return is recorded again.

    The copy has the figures of now. Raises FilingRefused, and FilingDoubtful when gifts changed since the day of filing, unless it `may_differ`.
    """
    if not period.last_on < filed_on <= charity.local(datetime.now(UTC)).date():
        raise FilingRefused
    db.session.commit()
    # Lines, register and gifts are read from one snapshot, whatever is posted meanwhile.
    db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    since = filing_changes.end_of_filing_day(charity, filed_on)
    if not may_differ and (changed := filing_changes.changes_until_now(charity, period, since)):
        db.session.rollback()
        raise FilingDoubtful(changed)
    found, register = returns.returns_of(charity, period), io.BytesIO()
    workbooks.write_xlsx(register, tables(found), origin)
    filed = filed_returns.record(
        charity,
        form,
        period,
        version=found.version(form).version,
        lines=found.lines(form),
        register=register.getvalue(),
        gifts=gifts_in(charity, period),
        filed_on=filed_on,
        actor=actor,
        note=note,
    )
    subject = f"{form.value} {period.last_on}"
    audit.record(actor, "recorded a filed return", subject, of_charity=charity.id, filed_on=str(filed_on), sha256=filed.sha256)
    db.session.commit()
    return filed
