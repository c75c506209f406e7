"""Texts that are encrypted in the database (AES-GCM, compressed): emails, which have the links of donors and what they say of a gift."""

import secrets
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from campaign.edges.secret_keys import Purpose, SecretKeys

NONCE_BYTES = 12


class UnknownKey(Exception):
    """The text was encrypted with a SECRET_KEY that is neither the current one nor among the fallbacks."""


def seal(keys: SecretKeys, text: str) -> bytes:
    """The text, encrypted with the current key."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(keys.current(Purpose.STORED_EMAIL)).encrypt(nonce, zlib.compress(text.encode()), None)


def unseal(keys: SecretKeys, sealed: bytes) -> str:
    """The text. Raises UnknownKey."""
    for key in (keys.current(Purpose.STORED_EMAIL), *keys.earlier(Purpose.STORED_EMAIL)):
        try:
            return zlib.decompress(_cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)).decode()
        except InvalidTag:
            continue
    raise UnknownKey("The text was encrypted with another SECRET_KEY: add that one to SECRET_KEY_FALLBACKS.")


def _cipher(key: str) -> AESGCM:
    return AESGCM(bytes.fromhex(key))
