"""Whether a text is an email address, a web address or a phone number at which donors can reach somebody: of the right form, and of no name that is reserved."""

import re
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

# As the library counts: with the angle brackets a path has 256 characters (RFC 5321, 4.5.3.1).
LONGEST_EMAIL = 254
# A number in Canada with its area code, and any number with the code of its country (ITU-T E.164).
LOCAL_DIGITS, MOST_DIGITS = 10, 15
# RFC 2606 and 6761: these names are for examples, tests and machines of one's own, and lead nobody anywhere.
RESERVED = ("example", "example.com", "example.net", "example.org", "invalid", "test", "localhost", "local", "home.arpa", "internal")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?=[a-z])(?:{_LABEL})", re.IGNORECASE)
# RFC 3986: no space, quote or angle bracket is part of an address.
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_PHONE = re.compile(r"(\+?[0-9(][0-9(). \u00a0-]*[0-9])(?:,? (?:ext\.?|x|poste|p\.) ?[0-9]{1,6})?", re.IGNORECASE)


class InvalidEmail(ValueError):
    """The text is not an email address that every mail server takes."""


def parse_email(text: str) -> str:
    """The address in its normal form, its host in ASCII. Raises InvalidEmail.

    Characters before the @ that are not ASCII need SMTPUTF8, which few mail servers support.
    """
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise InvalidEmail(text) from error
    return found.ascii_email or found.normalized


def is_email(text: str) -> bool:
    """Whether it is an email address."""
    try:
        parse_email(text)
    except InvalidEmail:
        return False
    return True


def is_phone_number(text: str) -> bool:
    """Whether it has the ten digits of a number in Canada, or as many as any number in the world has, as people group them, and an extension."""
    number = _PHONE.fullmatch(text)
    return number is not None and LOCAL_DIGITS <= sum(map(str.isdigit, number[1])) <= MOST_DIGITS


def phone_url(text: str) -> str:
    """The address that calls the number (RFC 3966), without its extension; empty without a number."""
    number = _PHONE.fullmatch(text)
    digits = "".join(filter(str.isdigit, number[1])) if number else ""
    return f"tel:+{'1' if len(digits) == LOCAL_DIGITS else ''}{digits}" if digits else ""


def complete_website(text: str) -> str:
    """The address as a link has it: people type the name of a website alone."""
    bare = text.partition("/")[0]
    return f"https://{text}" if _HOST.fullmatch(bare) else text


def is_website(text: str) -> bool:
    """Whether it is an address that begins with http:// or https:// and has the name of a host, without a password."""
    if not _URL.fullmatch(text) or "@" in text.partition("//")[2].partition("/")[0]:
        return False
    return _HOST.fullmatch(_host_of(text)) is not None


def is_reserved(text: str) -> bool:
    """Whether the host of the email or web address has a reserved name."""
    host = _host_of(text).rstrip(".")
    return any(host == name or host.endswith(f".{name}") for name in RESERVED)


def _host_of(text: str) -> str:
    if "//" not in text:
        return text.rpartition("@")[2].casefold()
    try:
        parts = urlsplit(text)
        return (parts.hostname or "") if parts.port != 0 else ""
    except ValueError:  # No port, or brackets that are no address.
        return ""
