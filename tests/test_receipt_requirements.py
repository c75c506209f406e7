"""A receipt that lacks a required element is refused (policy.md section 4)."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from campaign.rules.receipt_requirements import ReceiptContent, content_from_json, format_serial, missing_elements

COMPLETE = ReceiptContent(
    language="fr",
    charity_name="GBS/CIDP Foundation of Canada",
    charity_address=("100 Example Street", "Ottawa ON  K1A 0B1"),
    registration_number="123456789RR0001",
    place_of_issue="Ottawa, Ontario",
    received_on=date(2026, 11, 20),
    issued_on=date(2026, 11, 22),
    donor_name="Sanâa Œuvré D'Arcy-Lévesque",
    donor_address=("123, rue de l’Église", "Montréal QC  H2X 1Y4"),
    amount_cents=103_30,
    advantage_cents=0,
    eligible_cents=103_30,
    signatory_name="A. Example",
    signatory_title="Trésorière",
    currency="CAD",
    check_url="https://give.example.org/fr/receipts/check/abc",
)


def test_a_complete_receipt_lacks_nothing() -> None:
    assert missing_elements(COMPLETE) == []


@pytest.mark.parametrize(
    ("field", "invalid"),
    [
        ("charity_name", " "),
        ("charity_address", ("one line",)),
        ("charity_address", ("", " ")),
        ("registration_number", "123456789"),
        ("registration_number", "123456789 RR 0001"),
        ("place_of_issue", ""),
        ("donor_name", "\u00a0"),
        ("donor_address", ()),
        ("donor_address", ("Montréal",)),
        ("amount_cents", 0),
        ("advantage_cents", -1),
        ("eligible_cents", 100_00),
        ("issued_on", date(2026, 11, 19)),
        ("signatory_name", ""),
        ("signatory_title", ""),
        ("language", ""),
    ],
)
def test_an_invalid_element_is_reported_as_missing(field: str, invalid: Any) -> None:
    assert field in missing_elements(replace(COMPLETE, **{field: invalid}))


def test_frozen_content_round_trips() -> None:
    assert content_from_json(COMPLETE.as_json()) == COMPLETE


def test_a_serial_ends_in_the_consecutive_number() -> None:
    assert format_serial(2026, 42) == "2026-000042"
    assert format_serial(2026, 1_234_567) == "2026-1234567"
