"""The keys of the service, one for each purpose, derived from SECRET_KEY and from the earlier keys that still count during a rotation.

A key of one purpose says nothing about the others (HKDF, RFC 5869).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12


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


class SealBroken(Exception):
    """What was sealed has been changed, or was sealed with another key or for another context."""


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


def seal(key: str, secret: bytes, *, context: str) -> bytes:
    """Encrypt with AES-256-GCM, so that nobody changes it unseen. `key` is hexadecimal; `context` must be the same to read it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(bytes.fromhex(key)).encrypt(nonce, secret, context.encode())


def unseal(key: str, sealed: bytes, *, context: str) -> bytes:
    """What was sealed. Raises SealBroken."""
    try:
        return AESGCM(bytes.fromhex(key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except InvalidTag:
        raise SealBroken from None
