"""The keys of the service, one for each purpose, derived from SECRET_KEY and from the earlier keys that still count during a rotation.

A key of one purpose says nothing about the others (HKDF, RFC 5869).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


class Purpose(StrEnum):
    """What a key is for.

    WEB signs sessions and the tokens of forms. ATTEMPT signs donation forms. NETWORK hides network addresses. SECOND_FACTOR encrypts the secrets of
    second factors. MAILED_LINK makes the links with which donors may change something, PAGE those to their pages. STORED_EMAIL encrypts emails.
    PASSKEY signs what passkeys have to sign. CHECKOUT_CODE makes the codes that are mailed before a gift.
    """

    WEB = "web"
    ATTEMPT = "attempt"
    NETWORK = "network"
    SECOND_FACTOR = "second factor"
    MAILED_LINK = "mailed link"
    PAGE = "page of a donor"
    STORED_EMAIL = "stored email"
    PASSKEY = "passkey"
    CHECKOUT_CODE = "checkout code"


@dataclass(frozen=True, kw_only=True)
class SecretKeys:
    """The secret that is used now, and earlier ones, newest first."""

    secret: str
    fallbacks: Sequence[str] = ()

    def current(self, purpose: Purpose) -> str:
        """The key to sign and encrypt with, in hexadecimal."""
        return _derive(self.secret, purpose)

    def earlier(self, purpose: Purpose) -> list[str]:
        """The keys of earlier secrets, newest first."""
        return [_derive(secret, purpose) for secret in self.fallbacks]

    def oldest_first(self, purpose: Purpose) -> list[str]:
        """All keys, the current one last, as itsdangerous wants them."""
        return [*reversed(self.earlier(purpose)), self.current(purpose)]


def _derive(secret: str, purpose: Purpose) -> str:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"campaign: {purpose}".encode()).derive(secret.encode()).hex()
