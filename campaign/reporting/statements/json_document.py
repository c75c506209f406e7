"""A statement as JSON: the whole chain from its beginning to the end of the period, which tools/verify_statement.py verifies (docs/verify.md)."""

import json
from collections.abc import Iterator
from typing import Any

from campaign.reporting import proofs
from campaign.reporting.statements.balances import Balances
from campaign.reporting.statements.statement import Statement

FORMAT = "campaign-statement/3"


def json_pieces(statement: Statement) -> Iterator[str]:
    """Yield the statement without its closing brace and signature, in pieces, with each entry of the chain and its hash.

    No transaction is open between two pieces: whoever reads them may be slow.
    """
    yield json.dumps(_summary(statement), ensure_ascii=False, indent=1)[:-2] + ',\n "entries": ['
    separator = "\n  "
    for lines in proofs.pages_of(statement.fund, last=statement.entries):
        yield separator + ",\n  ".join(json.dumps(line, ensure_ascii=False) for line in lines)
        separator = ",\n  "
    yield "\n ]"


def _summary(statement: Statement) -> dict[str, Any]:
    names, end = statement.names, statement.end
    return {
        "format": FORMAT,
        "names": {
            "charity": names.charity["legal_name"],
            **{f"funder_{language}": names.funder_name(language) for language in ("en", "fr")},
            **{f"fund_{language}": names.fund_name(language) for language in ("en", "fr")},
            **{f"campaign_{language}": names.campaign_title(language) for language in ("en", "fr")},
        },
        "fund": names.fund["slug"],
        "campaign": names.campaign["slug"],
        "currency": names.campaign["currency"],
        "period": {
            "name": end.period.name,
            "time_zone": end.zone.key,
            "opens_at": end.opens_at.isoformat() if end.opens_at else None,
            "is_finished": end.is_finished,
        },
        "as_of": statement.as_of.isoformat(),
        "opening": {"position": end.after, "hash": statement.head_before.hex(), **_sums(statement.opening)},
        **_sums(statement.closing),
        "chain": f"fund:{statement.fund.id}",
        "head": {"position": statement.entries, "hash": statement.head.hex()},
        "changes": statement.changes,
    }


def _sums(balances: Balances) -> dict[str, int]:
    return {
        "pledged_cents": balances.pledged_cents,
        "held_cents": balances.held_cents,
        "matched_cents": balances.matched_cents,
        "available_cents": balances.left_cents,
        "called_cents": balances.called_cents,
        "received_cents": balances.received_cents,
        "donations": balances.donations,
    }
