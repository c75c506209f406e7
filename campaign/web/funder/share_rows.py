"""The shares of several funders on the page of their fund: all of them for the lead funder, their own for a contributor."""

from typing import Any

from flask_babel import gettext

from campaign.funders.contributors import FundContributor
from campaign.reporting.statements import shares as statement_shares
from campaign.reporting.statements.statement import Statement
from campaign.rules.money import format_money
from campaign.texts import share_words


def headline_of(statement: Statement, contributor: FundContributor, language: str) -> str:
    """What of the contributor's part is matched."""
    seen = statement_shares.seen_by(statement.shares, contributor)
    pledged, matched = (seen.own.sums.pledged_cents, seen.own.sums.matched_cents) if seen else (contributor.pledged_cents, 0)
    return share_words.contributor_headline(pledged_cents=pledged, matched_cents=matched, language=language)


def shares_of(statement: Statement, contributor: FundContributor | None, language: str) -> dict[str, Any]:
    """What the page shows of shares; empty for the lead funder of a fund without contributors, and before its activation."""
    if contributor:
        seen = statement_shares.seen_by(statement.shares, contributor)
        lead = share_words.describe_lead(language)
        if seen is None:
            return {"sentences": [share_words.describe_no_share(language), lead], "tiles": [], "rows": []}
        sums = seen.own.sums
        tiles = (
            ("share-pledged", gettext("Your part of the pledge"), sums.pledged_cents),
            ("share-matched", gettext("Your share of what is matched"), sums.matched_cents),
            ("share-held", gettext("Your share of what is on hold"), sums.held_cents),
            ("share-left", gettext("Your share of what is left"), sums.left_cents),
        )
        shown = [{"id": name, "label": label, "sum": format_money(cents, language)} for name, label, cents in tiles]
        return {"sentences": [lead, share_words.describe_shares(language)], "tiles": shown, "rows": []}
    if not statement.shares:
        return {}
    rows = [
        {
            "name": share.name(language),
            **{
                name: format_money(getattr(share.sums, f"{name}_cents"), language)
                for name in ("pledged", "matched", "held", "left", "called", "received")
            },
        }
        for share in statement.shares
    ]
    return {"sentences": [share_words.describe_shares(language)], "tiles": [], "rows": rows}
