"""A receipt that lacks a required element is refused (policy.md section 4)."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from campaign.rules.receipt_requirements import content_from_json, format_serial, missing_elements
from tools.sample_receipt import CONTENT


def test_a_complete_receipt_lacks_nothing() -> None:
    assert missing_elements(CONTENT) == []


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
    assert field in missing_elements(replace(CONTENT, **{field: invalid}))


def test_frozen_content_round_trips() -> None:
    assert content_from_json(CONTENT.as_json()) == CONTENT


def test_a_serial_ends_in_the_consecutive_number() -> None:
    assert format_serial(2026, 42) == "2026-000042"
    assert format_serial(2026, 1_234_567) == "2026-1234567"
