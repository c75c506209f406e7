"""Tokens of the pages of donors: derived from a key of their own, the public id of a donation and a version, and stored nowhere.

So that each email can carry them, the database alone opens no page, and a new version ends the earlier ones. During a rotation of SECRET_KEY the
tokens of the earlier keys open their pages too.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from hashlib import sha256

from campaign.edges.secret_keys import Purpose, SecretKeys

PUBLIC_ID_PREFIX = "d_"
PUBLIC_ID_BYTES = 10
# 136 bits, so that a token is 36 letters without padding.
SIGNATURE_BYTES = 17
_TOKEN = re.compile(r"[A-Za-z0-9_-]{36}")


class Page(StrEnum):
    """What a token opens: the page of one donation, of the monthly gift that it began, or the one that ends news to its donor."""

    DONATION = "donation"
    RECURRING_GIFT = "recurring gift"
    NEWS = "news"


def derive_page_token(keys: SecretKeys, page: Page, public_id: str, version: int) -> str:
    """The token of a page, by the current key. `public_id` is that of the donation, or of the first donation of a monthly gift."""
    return _token(keys.current(Purpose.PAGE), page, public_id, version)


def public_id_in(token: str) -> str:
    """The public id that a token names; empty for what cannot be a token."""
    if _TOKEN.fullmatch(token) is None:
        return ""
    return PUBLIC_ID_PREFIX + urlsafe_b64decode(token)[:PUBLIC_ID_BYTES].hex()


def is_page_token(token: str, keys: SecretKeys, page: Page, *, version: int) -> bool:
    """Whether the token opens its page in this version, by the current or an earlier key."""
    public_id = public_id_in(token)
    known = (_token(key, page, public_id, version) for key in (keys.current(Purpose.PAGE), *keys.earlier(Purpose.PAGE)))
    return bool(public_id) and any(hmac.compare_digest(token, candidate) for candidate in known)


def _token(key: str, page: Page, public_id: str, version: int) -> str:
    signed = hmac.new(key.encode(), f"{page} {public_id} {version}".encode(), sha256).digest()
    return urlsafe_b64encode(bytes.fromhex(public_id.removeprefix(PUBLIC_ID_PREFIX)) + signed[:SIGNATURE_BYTES]).decode()
