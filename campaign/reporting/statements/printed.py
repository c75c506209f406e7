"""The printed statement: a PDF in one language, signed with the charity's key and protected against changes as receipts are."""

import textwrap
from collections.abc import Sequence
from typing import Any

from campaign.config import resource
from campaign.edges import pdf
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.services import services
from campaign.receipts import printed_pictures
from campaign.receipts.printed_pictures import Logo
from campaign.reporting import published_heads
from campaign.reporting.statements.balances import Balances
from campaign.reporting.statements.lines import Line, ListedEntry, Listing, RuleSum
from campaign.reporting.statements.statement import Statement
from campaign.reporting.statements.tables import accounts_for, cents_of, days_for, share_rows
from campaign.rules.money import format_money
from campaign.texts import statement_words
from campaign.texts.dates import format_moment
from campaign.texts.document_labels import signature_name
from campaign.texts.statement_words import describe_period, line_words, statement_labels

TEMPLATE = resource("templates") / "funders" / "statement.typ"
# Of how many entries a PDF lists each.
MOST_ENTRIES = 500
SIGNATURE_WIDTH, LINE_WIDTH = 64, 94


def render_pdf(data: dict[str, Any], statement: Statement, key: KeyFile) -> bytes:
    """Render and sign the printed statement from what `read_data` returned. Raises RenderingFailed and SigningKeyMissing."""
    plain = pdf.render(TEMPLATE, data, at=statement.as_of)
    return key.sign(plain, name=signature_name([data["language"]], str(statement.names.charity["legal_name"])))


def read_data(
    statement: Statement, rules: Sequence[RuleSum], listing: Listing, language: str, key: KeyFile, *, is_test: bool
) -> dict[str, Any]:
    """Return everything on the printed statement, ready to show. `listing` is of all entries, or of some where there are more than MOST_ENTRIES.

    Raises SigningKeyMissing.
    """
    head = published_heads.sign_end(statement.fund, statement.entries, statement.head, key)
    names, end = statement.names, statement.end
    heads_url = services().links.absolute(f"/api/campaigns/{names.campaign['slug']}/proof")
    return {
        "language": language,
        "labels": statement_labels(language),
        "definitions": statement_words.definitions(language, accounts_for(statement.contributor)),
        "charity": names.charity["legal_name"],
        "address": names.charity["address"],
        "registration_number": names.charity["registration_number"],
        "logo": list(printed_pictures.get_picture(Logo, names.charity["logo"]) if names.charity["logo"] else b""),
        "funder": names.funder_name(language),
        "fund": names.fund_name(language),
        "campaign": names.campaign_title(language),
        "period": describe_period(end.period, language),
        "as_of": format_moment(statement.as_of, language, "long"),
        "is_unfinished": end.is_growing,
        "currency": names.campaign["currency"],
        "account": _account(statement, language),
        "days": _days(statement, language),
        "rules": [[*line_words(one.rule, language), str(one.entries), format_money(one.cents, language)] for one in rules],
        "lines": [_line(entry, statement, language) for entry in listing.entries],
        "more": statement_words.describe_more_entries(
            str(end.position - end.after), listing.extent, language, is_contributor=statement.contributor is not None
        ),
        "verification": statement_words.describe_verification(heads_url, language),
        "head": textwrap.wrap(head.text, LINE_WIDTH, break_on_hyphens=False),
        "signature": textwrap.wrap(head.signature, SIGNATURE_WIDTH),
        "is_test": is_test,
        **_shares(statement, language),
    }


def _shares(statement: Statement, language: str) -> dict[str, Any]:
    """The shares, how they are made, and whether calls and payments are left out; nothing without shares."""
    if not statement.shares:
        return {}
    rows = [
        [name, *(format_money(cents, language) for cents in (part_cents, *sums))]
        for name, part_cents, sums in share_rows(statement, language)
    ]
    return {
        "shares": rows,
        "share_columns": ["part", *accounts_for(statement.contributor)],
        "share_rule": statement_words.describe_shares(language),
        "is_contributor": statement.contributor is not None,
    }


def _account(statement: Statement, language: str) -> list[list[str]]:
    """Each balance with its opening, change and closing, and the number of gifts."""
    labels, opening, closing = statement_labels(language), statement.opening, statement.closing
    change, accounts = closing - opening, accounts_for(statement.contributor)
    sums = zip(accounts, *(cents_of(balances, accounts) for balances in (opening, change, closing)), strict=True)
    rows = [[labels[name], *(format_money(cents, language) for cents in balances)] for name, *balances in sums]
    return [*rows, [labels["donations_matched"], *(str(balances.donations) for balances in (opening, change, closing))]]


def _days(statement: Statement, language: str) -> list[list[str]]:
    rows, balances = [], statement.opening
    for day in days_for(statement):
        balances = balances + day.change
        sums = _money_of_day(day.change, balances, language, is_lead=statement.contributor is None)
        rows.append([day.on.isoformat(), str(day.donations), *sums])
    return rows


def _money_of_day(change: Balances, after: Balances, language: str, *, is_lead: bool) -> list[str]:
    paid = (change.called_cents, change.received_cents) if is_lead else ()
    sums = (change.held_cents, change.matched_cents, *paid, after.left_cents)
    return [format_money(cents, language) for cents in sums]


def _line(entry: ListedEntry, statement: Statement, language: str) -> list[str]:
    """With what is left after it where each entry is listed: beside others that are not, it would not follow from the line before."""
    what, why = line_words(entry.rule, language)
    at = entry.at.astimezone(statement.end.zone)
    left = format_money(entry.after.left_cents, language) if isinstance(entry, Line) else ""
    amount = format_money(entry.cents, language)
    return [str(entry.position), f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", what, why, entry.reference, amount, left]
