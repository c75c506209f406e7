"""Time-based one-time codes of staff: each counts once, in its own 30 seconds or the ones beside them. Their secrets are encrypted in the database."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import structlog
from flask import current_app
from flask_security import Totp
from passlib.exc import UsedTokenError
from passlib.totp import TOTP, AppWallet, TotpMatch
from sqlalchemy import or_, select, update

from campaign.edges.db import db
from campaign.edges.secret_keys import Purpose, SealBroken, SecretKeys, seal, unseal
from campaign.staff.members import Staff

log = structlog.get_logger()

# How far the clock of a phone may be off.
WINDOW_SECONDS = 30
# Of what SealedSecrets stores; the library's own is 1.
SEALED = 2


class SealedSecrets(AppWallet):
    """Encrypts the secrets with AES-256-GCM, so that nobody changes them unseen. The library's own AES-CTR is only read."""

    def __init__(self, hex_keys: Sequence[str]) -> None:
        # A secret is stored with the tag of its key, so the tag must say which key it is after a rotation too.
        self._by_tag = {sha256(key.encode()).hexdigest()[:16]: key for key in hex_keys}
        super().__init__(self._by_tag, default_tag=next(iter(self._by_tag)))  # type: ignore[no-untyped-call]  # the library has no types

    def encrypt_key(self, key: bytes) -> dict[str, Any]:
        """The secret as it is stored."""
        tag = next(iter(self._by_tag))
        return {"v": SEALED, "t": tag, "k": b64encode(seal(self._by_tag[tag], key, context=tag)).decode()}

    def decrypt_key(self, enckey: Mapping[str, Any]) -> tuple[bytes, bool]:
        """The secret, and whether it should be encrypted again. Raises KeyError when its key is not known, SealBroken when it was changed."""
        if enckey["v"] != SEALED:
            key, _ = super().decrypt_key(enckey)  # type: ignore[no-untyped-call]
            return key, True
        tag = str(enckey["t"])
        return unseal(self._by_tag[tag], b64decode(enckey["k"]), context=tag), tag != next(iter(self._by_tag))


class OneTimeCodes(Totp):
    """Generates secrets and verifies codes. An earlier SECRET_KEY decrypts the secrets that it encrypted."""

    def __init__(self, keys: SecretKeys, *, issuer: str) -> None:
        wallet = SealedSecrets([keys.current(Purpose.SECOND_FACTOR), *keys.earlier(Purpose.SECOND_FACTOR)])
        self._totp = TOTP.using(issuer=issuer, wallet=wallet)  # type: ignore[no-untyped-call]

    def verify_totp(self, token: str, totp_secret: str, user: Staff, window: int = 0) -> bool:  # type: ignore[override]  # all our users are staff
        """Whether the code is right and was not used. False, and an error in the log, when the secret cannot be decrypted."""
        try:
            return bool(super().verify_totp(token, totp_secret, user, window))
        except KeyError:
            log.error("second_factor.unknown_key", setting="SECRET_KEY_FALLBACKS")
            return False
        except SealBroken:
            log.error("second_factor.changed", staff=user.id)
            return False

    def get_last_counter(self, user: Staff) -> int | None:  # type: ignore[override]
        """The number of the 30 seconds whose code the member used last."""
        return user.tf_last_counter

    def set_last_counter(self, user: Staff, tmatch: TotpMatch) -> None:  # type: ignore[override]
        """Note that the code was used. Raises UsedTokenError when another request used it at the same time."""
        not_used = or_(Staff.tf_last_counter.is_(None), Staff.tf_last_counter < tmatch.counter)
        used = update(Staff).where(Staff.id == user.id, not_used).values(tf_last_counter=tmatch.counter)
        if db.session.execute(used.returning(Staff.id)).first() is None:
            raise UsedTokenError(expire_time=tmatch.expire_time)  # type: ignore[no-untyped-call]

    def encrypted_again(self, totp_secret: str) -> str:
        """The secret, encrypted with the current key."""
        return str(self._totp.from_source(totp_secret).to_json(encrypt=True))


class UnknownSecretKey(Exception):
    """A second factor was encrypted with a key that is neither the current one nor among the fallbacks."""


def encrypt_second_factors_again() -> int:
    """Encrypt the secret of every member with the current key; returns their number. Raises UnknownSecretKey before anything is changed."""
    codes = current_app.extensions["security"].totp_factory
    members = list(
        db.session.scalars(select(Staff).where(Staff.tf_totp_secret.is_not(None)).order_by(Staff.id).with_for_update(of=Staff)).unique()
    )
    for member in members:
        assert member.tf_totp_secret
        try:
            member.tf_totp_secret = codes.encrypted_again(member.tf_totp_secret)
        except KeyError:
            db.session.rollback()
            raise UnknownSecretKey(
                f"The second factor of {member.email} was encrypted with another SECRET_KEY: add that one to SECRET_KEY_FALLBACKS."
            ) from None
    db.session.flush()
    return len(members)
