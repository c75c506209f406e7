"""Registration numbers of charities: a business number of nine digits, the program identifier RR, and a reference number of four digits.

The ninth digit of a business number is its check digit by Luhn's formula (modulus 10), as of a social insurance number.
"""

from campaign.rules.receipt_requirements import REGISTRATION_NUMBER

# What people write between the parts.
_BETWEEN = dict.fromkeys(map(ord, " \u00a0\u202f-–"))


def normalized(text: str) -> str:
    """`12345 6789 rr0001` as `123456789RR0001`."""
    return text.translate(_BETWEEN).upper()


def is_registration_number(text: str) -> bool:
    """Whether the text, in its normal form, is the number of a charity whose check digit fits."""
    return REGISTRATION_NUMBER.fullmatch(text) is not None and has_check_digit(text[:9])


def has_check_digit(digits: str) -> bool:
    """Whether the last of these digits is the check digit of those before it."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0
