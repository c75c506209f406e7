"""The lines of T3010 and TP-985.22 for a fiscal year, from rows of the database by policy.md alone: nothing of the service is called.

Each gift is read with what Stripe reported about it, not with the entries of the ledger, and put on its line in Python.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

DONATIONS = """
    SELECT d.public_id AS name, greatest(0, d.amount_cents + d.covered_fee_cents
             - coalesce((SELECT sum(r.posted_cents) FROM reversal r WHERE r.payment_intent = d.payment_intent), 0)) AS cents,
           d.amount_cents + d.covered_fee_cents AS received_cents, d.province = 'QC' AND d.country = 'CA' AS in_quebec, d.country <> 'CA' AS abroad, false AS charity,
           concat(d.first_name, d.last_name, d.organization) <> '' AND d.address_line1 <> '' AND d.city <> '' AS complete,
           d.organization = '' OR d.in_own_name OR d.organization IN (SELECT w.name FROM receipt_declaration w WHERE w.donation_id = d.id) AS declared,
           EXISTS (SELECT FROM receipt_line l WHERE l.donation_id = d.id AND l.receipt_id NOT IN (SELECT receipt_id FROM receipt_end)) AS receipted,
           EXISTS (SELECT FROM receipt_line l JOIN receipt_end e USING (receipt_id) WHERE l.donation_id = d.id AND e.reason = 'void') AS voided
    FROM donation d WHERE (d.received_at AT TIME ZONE 'America/Toronto')::date BETWEEN :first AND :last
"""
FUNDERS = """
    SELECT p.reference AS name, p.cents AS received_cents,
           p.cents - coalesce((SELECT sum(t.cents) FROM funder_payment_return t WHERE t.funder_payment_id = p.id
                               AND t.id NOT IN (SELECT return_id FROM undone_payment_return)), 0) AS cents, f.province = 'QC' AS in_quebec, f.province = 'abroad' AS abroad,
           coalesce(f.is_registered_charity, false) AS charity, f.legal_name <> '' AND cardinality(f.address) > 1 AS complete, true AS declared,
           EXISTS (SELECT FROM receipt_line l WHERE l.funder_payment_id = p.id AND l.receipt_id NOT IN (SELECT receipt_id FROM receipt_end)) AS receipted,
           false AS voided
    FROM funder_payment p JOIN fund ON fund.id = p.fund_id JOIN funder f ON f.id = fund.funder_id
    WHERE p.received_on BETWEEN :first AND :last AND p.id NOT IN (SELECT funder_payment_id FROM funder_payment_reversal)
"""
# Each refund or lost dispute of these gifts: the day on which the money went back where the charity is, by Stripe, or else by the books, and what is in effect of it.
WENT_BACK = """
    SELECT d.public_id AS name, d.amount_cents + d.covered_fee_cents AS received_cents, r.posted_cents AS cents,
           (coalesce(r.returned_at, e.at) AT TIME ZONE 'America/Toronto')::date AS day
    FROM donation d JOIN reversal r ON r.payment_intent = d.payment_intent
    LEFT JOIN LATERAL (SELECT max(at) AS at FROM ledger_entry WHERE donation_id = d.id AND kind IN ('refund', 'dispute', 'covered_fee_refund')
        AND reference LIKE '%:' || r.stripe_id || ':%') e ON true
    WHERE (d.received_at AT TIME ZONE 'America/Toronto')::date BETWEEN :first AND :last AND r.posted_cents > 0 ORDER BY day
"""
# Each receipt of a gift, whenever the gift was received, with the day of issue that it prints, and what the charity has of the gift now. A payment of a funder
# that corrects another is the same gift.
ISSUED = """
    WITH RECURSIVE corrected AS (
        SELECT id, id AS root FROM funder_payment WHERE replaces_id IS NULL
        UNION ALL SELECT p.id, c.root FROM funder_payment p JOIN corrected c ON p.replaces_id = c.id)
    SELECT 'd' || d.id AS gift, r.content ->> 'issued_on' AS issued_on, e.receipt_id IS NULL AS is_valid, d.country <> 'CA' AS abroad, false AS charity,
           d.amount_cents + d.covered_fee_cents
             - coalesce((SELECT sum(v.posted_cents) FROM reversal v WHERE v.payment_intent = d.payment_intent), 0) AS cents
    FROM receipt_line l JOIN receipt r ON r.id = l.receipt_id LEFT JOIN receipt_end e ON e.receipt_id = r.id JOIN donation d ON d.id = l.donation_id
    UNION ALL
    SELECT 'p' || c.root, r.content ->> 'issued_on', e.receipt_id IS NULL, f.province = 'abroad', coalesce(f.is_registered_charity, false),
           p.cents - coalesce((SELECT sum(b.cents) FROM funder_payment_return b WHERE b.funder_payment_id = p.id
                               AND b.id NOT IN (SELECT return_id FROM undone_payment_return)), 0)
    FROM receipt_line l JOIN receipt r ON r.id = l.receipt_id LEFT JOIN receipt_end e ON e.receipt_id = r.id
    JOIN funder_payment p ON p.id = l.funder_payment_id JOIN corrected c ON c.id = p.id JOIN fund ON fund.id = p.fund_id JOIN funder f ON f.id = fund.funder_id
"""
# T3010, and TP-985.22 while the accountant counts receipts that are to come as issued.
LINES = {"charity": ("4510", "13"), "receipt": ("4500", "12"), "none": ("4530", "14"), "none abroad": ("4575", "16")}


@dataclass(frozen=True, kw_only=True)
class OracleYear:
    """Cents by line, of all gifts and of those from Québec; `receipted_cents` is what valid receipts state.

    `late_cents` is what donors got back after the year; never more than they gave.
    """

    lines: Counter[str]
    in_quebec: Counter[str]
    retained_cents: int
    received_cents: int
    receipted_cents: int
    late_cents: int


def read_year(connection: Connection, first_on: date, last_on: date) -> OracleYear:
    """The gifts that the charity received from the one day to the other, both inclusive, where it is."""
    days = {"first": first_on, "last": last_on}
    gifts = [gift for query in (DONATIONS, FUNDERS) for gift in connection.execute(text(query), days).mappings()]
    lines: Counter[str] = Counter()
    in_quebec: Counter[str] = Counter()
    for gift in gifts:
        for line in _lines_of(gift):
            lines[line] += gift["cents"]
            in_quebec[line] += gift["cents"] if gift["in_quebec"] else 0
    return OracleYear(
        lines=lines,
        in_quebec=in_quebec,
        retained_cents=sum(gift["cents"] for gift in gifts),
        received_cents=sum(gift["received_cents"] for gift in gifts),
        receipted_cents=sum(gift["cents"] for gift in gifts if gift["receipted"]),
        late_cents=_late_cents(connection, days),
    )


def _late_cents(connection: Connection, days: dict[str, date]) -> int:
    late, left = 0, dict[str, int]()
    for name, received_cents, cents, day in connection.execute(text(WENT_BACK), days):
        before = left.get(name, received_cents)
        left[name] = max(0, before - cents)
        late += before - left[name] if day > days["last"] else 0
    return late


def _lines_of(gift: Any) -> tuple[str, ...]:
    if gift["charity"]:
        return LINES["charity"]
    will_have_receipt = gift["complete"] and gift["declared"] and not gift["voided"]
    if gift["receipted"] or will_have_receipt:
        return (*LINES["receipt"], *(["4571"] if gift["abroad"] else []))
    return LINES["none abroad" if gift["abroad"] else "none"]


def read_issued(connection: Connection, first_on: date, last_on: date) -> Counter[str]:
    """The lines for gifts with receipts, each gift in the year in which its first receipt was issued, if one of its receipts is valid."""
    first: dict[str, str] = {}
    valid: dict[str, Any] = {}
    for row in connection.execute(text(ISSUED)).mappings():
        first[row["gift"]] = min(row["issued_on"], first.get(row["gift"], row["issued_on"]))
        if row["is_valid"] and not row["charity"]:
            valid[row["gift"]] = row
    lines: Counter[str] = Counter({"4500": 0, "4571": 0, "12": 0})
    for gift, row in valid.items():
        if first_on.isoformat() <= first[gift] <= last_on.isoformat():
            lines.update({"4500": row["cents"], "12": row["cents"], "4571": row["cents"] if row["abroad"] else 0})
    return lines
