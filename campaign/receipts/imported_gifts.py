"""Gifts of imported rows: stored as they were validated, and what is asked about them before they are recorded.

What the form for one gift asks is asked here for all rows at once. Two rows that may be the same gift are asked about too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from campaign.donations import donors, similar_donors
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import Donation, DonationDetails
from campaign.payments import offline_gifts
from campaign.payments.offline_gifts import RecordedGift
from campaign.receipts import filed_returns, gift_imports
from campaign.receipts.gift_imports import GiftImport, GiftImportRow, RowState
from campaign.receipts.offline_gift_actions import TypedGift
from campaign.rules import local_time
from campaign.rules.offline_gifts import OfflineMethod, OfflineQuestion, SameGifts, questions_about


class RowQuestion(StrEnum):
    """What is asked about a row beside what is asked about every offline gift (OfflineQuestion)."""

    LIKE_ROW = "like_row"
    WHICH_DONOR = "which_donor"


# Whoever says that a row is another gift than one before it in the file has answered these when it comes to be recorded.
LIKE_RECORDED = (OfflineQuestion.SAME_REFERENCE, OfflineQuestion.SAME_DONOR)


def stored(typed: TypedGift) -> dict[str, Any]:
    """The gift as JSON. The statement is that the payment itself makes: it has no document and no day of its own."""
    statement = typed.statement
    return {
        "details": asdict(typed.details),
        "method": typed.method.value,
        "reference": typed.reference,
        "received_on": typed.received_on.isoformat(),
        "is_matchable": typed.is_matchable,
        "donor_id": typed.donor_id,
        "statement": statement
        and {"how": statement.how.value, "words": statement.words, "language": statement.language, "recorded_by": statement.recorded_by},
    }


def typed_gift_of(row: GiftImportRow, *, donor_id: int | None = None) -> TypedGift:
    """The gift to be recorded from the row; by this donor, 0 for a new one, unless the row says by whom."""
    assert row.gift is not None
    gift, statement = row.gift, row.gift["statement"]
    answered = [OfflineQuestion(question) for question in row.answered if question in set(OfflineQuestion)]
    return TypedGift(
        details=DonationDetails(**gift["details"]),
        method=OfflineMethod(gift["method"]),
        reference=gift["reference"],
        received_on=local_time.parse_day(gift["received_on"]),
        is_matchable=gift["is_matchable"],
        attempt=row.attempt,
        donor_id=donor_id if gift["donor_id"] is None else gift["donor_id"],
        statement=Statement(**{**statement, "how": How(statement["how"])}) if statement else None,
        answered=[*answered, *(LIKE_RECORDED if RowQuestion.LIKE_ROW in row.answered else ())],
    )


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What a row is compared by. `donor` tells donors of the file apart, `donor_id` is one who is known."""

    number: int
    method: OfflineMethod
    reference: str
    cents: int
    day: date
    donor: tuple[str, ...]
    donor_id: int | None

    def is_like(self, other: "_Facts") -> bool:
        """Whether they may be one gift: the same number and the same sum or day, or the same donor, sum and day."""
        is_same_sum, is_same_day = self.cents == other.cents, self.day == other.day
        is_same_number = bool(self.reference) and (self.method, self.reference) == (other.method, other.reference)
        return (is_same_number and (is_same_sum or is_same_day)) or (
            any(self.donor) and self.donor == other.donor and is_same_sum and is_same_day
        )

    def same_gifts(self, recorded: Sequence[RecordedGift]) -> SameGifts:
        """Which recorded gifts it may be, by the rule of the form (payments/offline_gifts.py)."""
        of_reference = any(
            self.reference
            and (gift.method, gift.reference) == (self.method, self.reference)
            and (gift.cents == self.cents or gift.day == self.day)
            for gift in recorded
        )
        of_donor = any((gift.donor_id, gift.cents, gift.day) == (self.donor_id, self.cents, self.day) for gift in recorded)
        return SameGifts(of_reference=of_reference, of_donor=of_donor)


def check_questions(imported: GiftImport) -> None:
    """Ask again about each row that is neither wrong nor decided: answers to what is no longer asked are forgotten."""
    campaign = imported.campaign
    rows = gift_imports.rows_of(imported.id, (RowState.DOUBTFUL, RowState.READY, RowState.QUEUED))
    unclear = _rows_with_unclear_donor([row for row in rows if row.state != RowState.QUEUED])
    facts = _facts_of(rows)
    recorded = offline_gifts.list_recorded(
        campaign, references={one.reference for one in facts} - {""}, donor_ids={one.donor_id for one in facts if one.donor_id}
    )
    today = campaign.charity.local(datetime.now(UTC)).date()
    filed = {day: filed_returns.has_filed(campaign.charity, {day}) for day in {one.day for one in facts}}
    earlier: dict[object, list[_Facts]] = {}
    for row, one in zip(rows, facts, strict=True):
        like = next((other for key in _keys(one) for other in earlier.get(key, []) if one.is_like(other)), None)
        for key in _keys(one):
            earlier.setdefault(key, []).append(one)
        if row.state == RowState.QUEUED:
            continue
        near = [gift for key in _keys(one) for gift in recorded.get(key, [])]
        asked: list[str] = [q.value for q in questions_about(one.day, today=today, is_filed=filed[one.day], same=one.same_gifts(near))]
        asked += [RowQuestion.LIKE_ROW.value] if like else []
        asked += [RowQuestion.WHICH_DONOR.value] if row.number in unclear else []
        row.like_row, row.questions = like.number if like else None, asked
        row.answered = [question for question in row.answered if question in asked]
        row.state = RowState.DOUBTFUL if row.unanswered else RowState.READY


def _keys(one: _Facts) -> list[object]:
    """What a gift that may be the same one has in common with it: the number, or the donor."""
    return [key for key in (one.reference, one.donor if any(one.donor) else None, one.donor_id) if key]


def _facts_of(rows: Sequence[GiftImportRow]) -> list[_Facts]:
    gifts = [row.gift or {} for row in rows]
    known = donors.find_donor_ids({gift["details"]["email"] for gift in gifts if gift["details"]["email"]})
    found = []
    for row, gift in zip(rows, gifts, strict=True):
        details, email = gift["details"], gift["details"]["email"].casefold()
        names = [similar_donors.folded(details[name]) for name in ("first_name", "last_name", "organization")]
        found.append(
            _Facts(
                number=row.number,
                method=OfflineMethod(gift["method"]),
                reference=gift["reference"],
                cents=details["amount_cents"],
                day=local_time.parse_day(gift["received_on"]),
                donor=(email,) if email else (*names, details["postal_code"]) if any(names) else (),
                donor_id=known.get(email) or gift["donor_id"] or None,
            )
        )
    return found


def _rows_with_unclear_donor(rows: Sequence[GiftImportRow]) -> set[int]:
    """The numbers of rows of which staff have to say who the donor is: a gift without an email address may be by one of several.

    It is by the donor of the same whole name and postal code, if there is one.
    """
    details = {row.number: row.gift["details"] for row in rows if row.gift and row.gift["donor_id"] is None}
    open_ones = {number: one for number, one in details.items() if not one["email"] and one["postal_code"]}
    known = similar_donors.known_postal_codes({one["postal_code"] for one in open_ones.values()})
    unclear = set()
    for row in rows:
        one = open_ones.get(row.number)
        if one is None or one["postal_code"] not in known:
            continue
        latest = similar_donors.donors_like(last_name=one["last_name"], organization=one["organization"], postal_code=one["postal_code"])
        if donor_id := same_person(latest, one):
            row.gift = {**(row.gift or {}), "donor_id": donor_id}
        elif latest:
            unclear.add(row.number)
    return unclear


def same_person(latest: Sequence[Donation], details: Mapping[str, Any]) -> int | None:
    """The one donor among these with the same whole name; None when there is none, or several."""
    names = {name: details[name] for name in ("first_name", "last_name", "organization")}
    same = {gift.donor_id for gift in latest if similar_donors.is_same_name(gift, **names)}
    return same.pop() if len(same) == 1 else None
