"""A statement as JSON: the whole chain from its beginning to the end of the period, which tools/verify_statement.py verifies (docs/verify.md).

A contributor's has the digests alone of calls and payments, which are the lead funder's.
"""

import json
from collections.abc import Iterator
from typing import Any

from campaign.funders.contributors import FundContributor
from campaign.ledger.moves import Move
from campaign.reporting import proofs
from campaign.reporting.statements.balances import Balances
from campaign.reporting.statements.shares import FunderShare, seen_by
from campaign.reporting.statements.statement import Statement

FORMAT, SHARED_FORMAT, CONTRIBUTOR_FORMAT = "campaign-statement/3", "campaign-statement/4", "campaign-contributor/1"
# Kinds of entries between the charity and the lead funder, of which a contributor has the digests alone.
OF_LEAD_ALONE = frozenset({Move.CALL, Move.CALL_REVERSAL, Move.RECEIVE, Move.RECEIVE_REVERSAL})


def json_pieces(statement: Statement) -> Iterator[str]:
    """Yield the statement without its closing brace and signature, in pieces, with each entry of the chain and its hash.

    No transaction is open between two pieces: whoever reads them may be slow.
    """
    yield json.dumps(_summary(statement), ensure_ascii=False, indent=1)[:-2] + ',\n "entries": ['
    separator = "\n  "
    for lines in proofs.pages_of(statement.fund, last=statement.entries, digests_of=OF_LEAD_ALONE if statement.contributor else ()):
        yield separator + ",\n  ".join(json.dumps(line, ensure_ascii=False) for line in lines)
        separator = ",\n  "
    yield "\n ]"


def _summary(statement: Statement) -> dict[str, Any]:
    names, end = statement.names, statement.end
    return {
        "format": CONTRIBUTOR_FORMAT if statement.contributor else SHARED_FORMAT if statement.shares else FORMAT,
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
        "opening": {"position": end.after, "hash": statement.head_before.hex(), **_sums(statement.opening, statement.contributor)},
        **_sums(statement.closing, statement.contributor),
        "chain": f"fund:{statement.fund.id}",
        "head": {"position": statement.entries, "hash": statement.head.hex()},
        "changes": statement.changes,
        **_shares(statement),
    }


def _shares(statement: Statement) -> dict[str, Any]:
    """The shares of all funders, for the lead funder; a contributor's own beside those of all others together."""
    if statement.contributor:
        seen = seen_by(statement.shares, statement.contributor)
        assert seen, "before the activation nothing is shared"
        return {
            "funders": len(statement.shares),
            **{name: _share(one, is_lead=False) for name, one in zip(("own", "others"), seen, strict=True)},
        }
    rows = [
        {f"funder_{language}": share.name(language) for language in ("en", "fr")} | _share(share, is_lead=True)
        for share in statement.shares
    ]
    return {"shares": rows} if rows else {}


def _share(share: FunderShare, *, is_lead: bool) -> dict[str, int]:
    sums = share.sums
    paid = {"called_cents": sums.called_cents, "received_cents": sums.received_cents} if is_lead else {}
    return {
        "part_cents": share.part_cents,
        "pledged_cents": sums.pledged_cents,
        "held_cents": sums.held_cents,
        "matched_cents": sums.matched_cents,
        "available_cents": sums.left_cents,
        **paid,
    }


def _sums(balances: Balances, contributor: FundContributor | None) -> dict[str, int]:
    paid = {} if contributor else {"called_cents": balances.called_cents, "received_cents": balances.received_cents}
    return {
        "pledged_cents": balances.pledged_cents,
        "held_cents": balances.held_cents,
        "matched_cents": balances.matched_cents,
        "available_cents": balances.left_cents,
        **paid,
        "donations": balances.donations,
    }
