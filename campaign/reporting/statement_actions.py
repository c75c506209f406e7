"""Takes a funder's statement, and ends the transaction before anything is rendered or sent: no fund stays locked meanwhile.

What is made of a period that is over is stored when it is first made, and is the same from then on.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import func, select

from campaign.campaigns.signing_keys import signing_key_for
from campaign.edges.db import db
from campaign.edges.pdf_signing import Signature
from campaign.funders.contributors import FundContributor
from campaign.ledger.entries import LedgerEntry
from campaign.matching.funds import Fund
from campaign.reporting import proofs
from campaign.reporting.statements import printed, stored, tables
from campaign.reporting.statements.balances import balances_at
from campaign.reporting.statements.json_document import json_pieces
from campaign.reporting.statements.lines import Line, Listing, RuleSum, lines_of, list_exceptional, sums_by_rule
from campaign.reporting.statements.statement import Statement, StatementEnd, build_statement, lock_end
from campaign.rules import statement_periods
from campaign.rules.statement_lines import OF_LEAD_ALONE, LineRule, ListingExtent
from campaign.rules.statement_periods import StatementPeriod

# One at a time would take most of the time.
LINES_IN_PIECE = 200


def take_statement(fund: Fund, *, before: datetime | None = None, period: StatementPeriod | None = None) -> Statement:
    """The fund in the period, or before the moment, by default now. Commits. Raises FutureMoment and NothingBefore."""
    return _take_at(fund, take_end(fund, statement_periods.to_moment(before) if before else period))


def take_end(fund: Fund, period: StatementPeriod | None = None) -> StatementEnd:
    """What a statement of the period covers. Commits. Raises FutureMoment and NothingBefore."""
    try:
        end = lock_end(fund, period)
    except ValueError:
        db.session.rollback()
        raise
    db.session.commit()
    return end


def _take_at(fund: Fund, end: StatementEnd, contributor: FundContributor | None = None) -> Statement:
    # Sums of days may be stored anew meanwhile: all are read from one snapshot.
    db.session.commit()
    db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    statement = build_statement(fund, end, contributor)
    db.session.commit()
    return statement


def wait_for_period_to_now(fund: Fund) -> StatementPeriod:
    """Everything until now, to the second, so that the statement can be had again. Waits for the end of a second in which anything was posted."""
    now = datetime.now(UTC)
    second = now.replace(microsecond=0)
    last = db.session.scalar(select(func.max(LedgerEntry.at)).where(LedgerEntry.fund_id == fund.id))
    db.session.rollback()
    if last is not None and last >= second:
        second += timedelta(seconds=1)
        time.sleep((second - now).total_seconds())
    return statement_periods.to_moment(second)


def get_or_render_pdf(fund: Fund, end: StatementEnd, language: str, *, is_test: bool, contributor: FundContributor | None = None) -> bytes:
    """The printed statement, by default for the lead funder. Raises RenderingFailed and SigningKeyMissing."""
    name = end.period.name
    if end.is_finished and (found := stored.find_document(fund, name, language, contributor)) is not None:
        return found
    statement, rules = _take_at(fund, end, contributor), list(_take_rules(fund, end, contributor))
    key = signing_key_for(fund.campaign_id)
    data = printed.read_data(statement, rules, _listing(fund, statement), language, key, is_test=is_test)
    db.session.commit()
    document = printed.render_pdf(data, statement, key)
    if end.is_finished:
        document = stored.store_document(fund, name, language, contributor, document)
        db.session.commit()
    return document


def _listing(fund: Fund, statement: Statement) -> Listing:
    end = statement.end
    if end.position - end.after <= printed.MOST_ENTRIES:
        return Listing(extent=ListingExtent.ALL, entries=list(_lines(fund, statement)))
    listing = list_exceptional(fund, after=end.after, last=end.position, most=printed.MOST_ENTRIES)
    hidden = hidden_from(statement.contributor)
    return listing._replace(entries=[entry for entry in listing.entries if entry.rule not in hidden])


def hidden_from(contributor: FundContributor | None) -> frozenset[LineRule]:
    """The rules whose lines a contributor does not see; the lead funder sees all."""
    return OF_LEAD_ALONE if contributor else frozenset()


def _lines(fund: Fund, statement: Statement) -> Iterator[Line]:
    end, hidden = statement.end, hidden_from(statement.contributor)
    return lines_of(fund, statement.opening, after=end.after, last=end.position, hidden=hidden)


def write_xlsx(
    fund: Fund, end: StatementEnd, language: str, *, is_test: bool, contributor: FundContributor | None = None
) -> Iterator[bytes]:
    """Yield the statement as a workbook, in pieces, the first before the rules are added up."""
    statement = _take_at(fund, end, contributor)
    rules = _take_rules(fund, end, contributor)
    yield from tables.workbook_pieces(statement, rules, _lines(fund, statement), language, is_test=is_test)


def _take_rules(fund: Fund, end: StatementEnd, contributor: FundContributor | None) -> Iterator[RuleSum]:
    hidden = hidden_from(contributor)
    rules = [found for found in sums_by_rule(fund, after=end.after, last=end.position) if found.rule not in hidden]
    db.session.commit()
    yield from rules


def write_csv(fund: Fund, end: StatementEnd, language: str, *, contributor: FundContributor | None = None) -> Iterator[bytes]:
    """Yield the lines of the statement as CSV, the headings at once."""
    hidden = hidden_from(contributor)

    def lines() -> Iterator[Line]:
        opening = balances_at(fund, end.after)
        db.session.rollback()
        yield from lines_of(fund, opening, after=end.after, last=end.position, hidden=hidden)

    csv_lines = tables.as_csv(lines(), end, language, tables.accounts_for(contributor))
    yield next(csv_lines).encode()
    while piece := "".join(islice(csv_lines, LINES_IN_PIECE)):
        yield piece.encode()


def write_json(fund: Fund, end: StatementEnd, *, contributor: FundContributor | None = None) -> Iterator[bytes]:
    """Yield the statement as signed JSON, in pieces. Raises SigningKeyMissing, and StatementChanged when it is not what was signed once."""
    for piece in build_json(_take_at(fund, end, contributor)):
        yield piece.encode()


def build_json(statement: Statement) -> Iterator[str]:
    """As `write_json`, of a statement that was taken."""
    fund, name, contributor = statement.fund, statement.end.period.name, statement.contributor

    def sign(digest: bytes) -> Signature:
        content = bytes.fromhex(digest.decode())
        signature = stored.find_signature(fund, name, contributor, content) if statement.end.is_finished else None
        if signature is None:
            signature = signing_key_for(fund.campaign_id).sign_bytes(digest)
            if statement.end.is_finished:
                signature = stored.store_signature(fund, name, contributor, content, signature)
        db.session.commit()
        return signature

    return proofs.signed(json_pieces(statement), sign)
