"""What e-mails and networks hold without having paid, by the ledger. Read after the funds are locked, so that it is exact."""

from collections.abc import Mapping, Sequence

from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.session import MatchSession
from campaign.rules.hold_bounds import UnpaidHolds


class Holders:
    """The unpaid holds of the donors and networks of some donations of one campaign, by the books and by what the session has decided."""

    def __init__(self, campaign: Campaign, donations: Sequence[Donation], session: MatchSession) -> None:
        bounds = campaign.hold_bounds
        self._of: dict[tuple[str, str], UnpaidHolds] = {}
        for donation in donations:
            for key, most_open in zip(_keys_of(donation), (bounds.open_per_email, bounds.open_per_network), strict=False):
                self._of[key] = UnpaidHolds(most_open=most_open, open_count=0, open_cents={}, period_cents={})
        _read_holds(campaign, self._of)
        for donation in session.donations.values():
            if donation.campaign_id == campaign.id and donation.received_at is None:
                self._add_changes(donation, session)

    def _add_changes(self, donation: Donation, session: MatchSession) -> None:
        changes = session.hold_changes(donation)
        is_held, was_held = session.holds(donation), any(change.before for change in changes)
        for holder in (self._of[key] for key in _keys_of(donation) if key in self._of):
            holder.open_count += is_held - was_held
            for change in changes:
                holder.open_cents[change.fund_id] = holder.open_cents.get(change.fund_id, 0) + change.change
                holder.period_cents[change.fund_id] = holder.period_cents.get(change.fund_id, 0) + change.placed

    def of(self, donation: Donation) -> list[UnpaidHolds]:
        """Those of the donation's e-mail, and of its network if it is known."""
        return [self._of[key] for key in _keys_of(donation)]


def holds_of_network(campaign: Campaign, client_key: str) -> UnpaidHolds:
    """The unpaid holds of a network, for a quote: they may change before the donor submits the form."""
    holder = UnpaidHolds(most_open=campaign.hold_bounds.open_per_network, open_count=0, open_cents={}, period_cents={})
    _read_holds(campaign, {("client", client_key): holder})
    return holder


def _read_holds(campaign: Campaign, holders: Mapping[tuple[str, str], UnpaidHolds]) -> None:
    """Set what the books say of these e-mails and networks."""
    parameters = {
        "campaign": campaign.id,
        "period": campaign.hold_bounds.period,
        "donors": [int(name) for kind, name in holders if kind == "donor"],
        "clients": [name for kind, name in holders if kind == "client"],
    }
    for row in db.session.execute(_HOLDS, parameters):
        holder = holders[row.kind, row.name]
        if row.fund_id is None:
            holder.open_count = row.donations
        else:
            holder.open_cents[row.fund_id], holder.period_cents[row.fund_id] = int(row.open_cents), int(row.period_cents)


def _keys_of(donation: Donation) -> list[tuple[str, str]]:
    client = [("client", donation.client_key)] if donation.client_key else []
    return [("donor", str(donation.donor_id)), *client]


# By fund, and for each holder over all funds. That a donation is not paid is written for donors in another way than in the index on networks,
# which the planner would otherwise read as a whole. A payment in quarantine is none.
_HOLDS = text("""
    WITH unpaid AS (
        SELECT 'donor' AS kind, s.id::text AS name, d.id FROM unnest(CAST(:donors AS bigint[])) s (id) JOIN donation d ON d.donor_id = s.id
        WHERE coalesce(d.received_at, 'infinity') = 'infinity'
          AND (d.ended_at IS NULL OR d.ended_at > now() - CAST(:period AS interval))
        UNION ALL
        SELECT 'client', s.name, d.id FROM unnest(CAST(:clients AS text[])) s (name) JOIN donation d ON d.client_key = s.name
        WHERE d.received_at IS NULL AND d.client_key <> ''
          AND (d.ended_at IS NULL OR d.ended_at > now() - CAST(:period AS interval)))
    SELECT u.kind, u.name, m.fund_id, sum(m.held_cents) AS open_cents, sum(p.cents) AS period_cents,
           count(DISTINCT u.id) FILTER (WHERE m.held_cents > 0) AS donations
    FROM unpaid u JOIN donation_match m ON m.donation_id = u.id JOIN fund f ON f.id = m.fund_id AND f.campaign_id = :campaign
    CROSS JOIN LATERAL (SELECT coalesce(sum(e.cents), 0) AS cents FROM ledger_entry e
                        WHERE e.donation_id = u.id AND e.fund_id = m.fund_id AND e.kind = 'hold' AND e.at > now() - CAST(:period AS interval)) p
    GROUP BY GROUPING SETS ((u.kind, u.name, m.fund_id), (u.kind, u.name))
""")
