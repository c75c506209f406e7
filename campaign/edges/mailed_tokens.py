"""Tokens of links that are mailed: derived from a key of their own and the number of a row, which has only the hash.

So that an email can be composed after the row was stored, and the database alone opens nothing.
"""

import hmac
from hashlib import sha256

from campaign.edges.secret_keys import Purpose, SecretKeys


def derive_token(keys: SecretKeys, what: str, number: int) -> str:
    """The token of row `number` of the table that `what` names, by the current key."""
    return hmac.new(keys.current(Purpose.MAILED_LINK).encode(), f"{what} {number}".encode(), sha256).hexdigest()


def known_token(keys: SecretKeys, what: str, number: int, stored_hash: bytes) -> str:
    """The token whose hash is stored, by the key that it was derived from; empty when that key is not known any more."""
    by_secret = (derive_token(SecretKeys(secret=secret), what, number) for secret in (keys.secret, *keys.fallbacks))
    return next((token for token in by_secret if token_hash(token) == stored_hash), "")


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return sha256(token.encode("utf-8", "replace")).digest()
