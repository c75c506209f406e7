"""Amounts are read as people write them or refused, and formatted amounts are read back unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.rules.money import MAX_LENGTH, InvalidMoney, fee_to_cover, format_decimal, format_money, format_money_short, parse

CENTS = st.integers(min_value=0, max_value=10**11)
LANGUAGES = st.sampled_from(["en", "fr"])

READ = [
    ("50", 50_00),
    ("50.00", 50_00),
    ("50,00", 50_00),
    ("0050", 50_00),
    ("1 234,56 $", 1234_56),
    ("1\u00a0234,56\u00a0$", 1234_56),
    ("1\u202f234,56 $", 1234_56),
    ("$1,234.56", 1234_56),
    ("$ 20", 20_00),
    ("  75  ", 75_00),
    ("1234567.89", 1234567_89),
    ("1,234,567.00", 1234567_00),
    ("25 CAD", 25_00),
    ("$25.00 CAD", 25_00),
    ("CA$25", 25_00),
    ("C$ 25", 25_00),
    ("25 $ CA", 25_00),
    ("25,00 $\u00a0CA", 25_00),
    ("cad 25", 25_00),
]

REFUSED = [
    *("", " ", "$", "abc", "50.", ".50", "5.5", "10.005", "1.234", "1e4", "1_000", "-5", "+5", "５０", "٥٠", "1'000", "50 000 00"),
    *("1234,567", "1,23,456", "$50$", "$$5", "50 dollars", "sNaN", "Infinity", "0x10", "1.234,56", "1 23", "12 34,5", "50\n60", "5\u30000"),
    *("0,500", "1" * (MAX_LENGTH + 1), "\u202e50"),
    *("25 USD", "USD 25", "CAD 25 CAD", "25 CAD CAD", "CAD", "CA 25", "25 CA"),
]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(("text", "cents"), READ)
def test_money_is_read_as_people_write_it(text: str, cents: int, language: str) -> None:
    assert parse(text, language) == cents


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("text", REFUSED)
def test_ambiguous_amounts_are_refused(text: str, language: str) -> None:
    with pytest.raises(InvalidMoney):
        parse(text, language)


def test_a_comma_before_three_digits_means_thousands_in_english_and_is_refused_in_french() -> None:
    assert parse("1,234", "en") == 1234_00
    with pytest.raises(InvalidMoney):
        parse("1,234", "fr")


@given(CENTS, LANGUAGES)
def test_formatted_amounts_parse_to_the_same_amount(cents: int, language: str) -> None:
    assert parse(format_money(cents, language), language) == cents
    assert parse(format_money_short(cents, language), language) == cents


@given(st.text(max_size=60), LANGUAGES)
def test_any_text_is_an_amount_or_refused(text: str, language: str) -> None:
    try:
        cents = parse(text, language)
    except InvalidMoney:
        return
    assert isinstance(cents, int)
    assert cents >= 0


@given(st.integers(min_value=-(10**11), max_value=10**11))
def test_a_decimal_for_machines_is_exact(cents: int) -> None:
    text = format_decimal(cents)
    assert int(text.replace(".", "")) == cents
    assert text[-3] == "."


@given(st.integers(1, 10**7), st.integers(0, 1000), st.integers(0, 100))
def test_a_covered_fee_is_the_least_that_leaves_the_whole_donation(donation: int, percent: int, fixed: int) -> None:
    def received(charged: int) -> int:
        return charged * 10_000 - charged * percent - fixed * 10_000

    fee = fee_to_cover(donation, percent_hundredths=percent, fixed_cents=fixed)
    assert received(donation + fee) >= donation * 10_000
    assert fee == 0 or received(donation + fee - 1) < donation * 10_000


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_maximum_length_is_accepted_and_one_more_digit_is_refused(language: str) -> None:
    assert parse("1" * MAX_LENGTH, language) == int("1" * MAX_LENGTH) * 100
    with pytest.raises(InvalidMoney, match="1" * (MAX_LENGTH + 1)):
        parse("1" * (MAX_LENGTH + 1), language)


def test_tabs_newlines_and_letters_are_not_stripped() -> None:
    for text in ("50\n", "\t50", "X50"):
        with pytest.raises(InvalidMoney, match="50"):
            parse(text, "en")


def test_negative_amounts_are_written_with_their_sign() -> None:
    assert format_money(-1_234_56, "en") == "-$1,234.56"
    assert format_money(-1_234_56, "fr") == "-1\u00a0234,56\u00a0$"
    assert (format_decimal(-5), format_decimal(0), format_decimal(1)) == ("-0.05", "0.00", "0.01")


def test_short_amounts_omit_only_zero_cents() -> None:
    assert [format_money_short(c, "en") for c in (0, 50_00, 101_00, 50_01, 1)] == ["$0", "$50", "$101", "$50.01", "$0.01"]
    assert [format_money_short(c, "fr") for c in (50_00, 101_00, 50_01)] == ["50\u00a0$", "101\u00a0$", "50,01\u00a0$"]
    assert format_money(50_00, "en") == "$50.00"
    assert format_money(50_00, "fr") == "50,00\u00a0$"
