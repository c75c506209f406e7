"""Six-digit codes that are mailed to whoever is about to give, so that a browser without the proof of work can give during card testing.

A code counts for one form and one address, for a quarter of an hour, until five guesses were wrong. The database has no code: it is derived
from a key of its own and the number of the row.
"""

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import ForeignKey, Index, and_, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.secret_keys import Purpose, SecretKeys
from campaign.edges.services import services
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind

LIFETIME = timedelta(minutes=15)
MAX_WRONG = 5
# Of codes within an hour. Whoever types the addresses of others can have them mailed so often; no-one guesses one code of a million with 25 guesses.
PER_ATTEMPT, PER_EMAIL, PER_NETWORK = 3, 5, 20
# As our mails would do harm to those whose addresses testers type, and to our name with mail servers.
OVERALL = 500
# Those who ask for a code wait for each other, so that the bounds are exact.
CODES_LOCK = 7_203_646


class CodeCheck(StrEnum):
    """What a typed code is: RIGHT; WRONG; EXPIRED; USED_UP after too many wrong guesses; UNKNOWN when none was mailed for this form and address."""

    RIGHT = "right"
    WRONG = "wrong"
    EXPIRED = "expired"
    USED_UP = "used_up"
    UNKNOWN = "unknown"


class CheckoutCode(Base):
    """One code. `attempt` is that of the form, `client_key` identifies the network that asked for it."""

    __tablename__ = "checkout_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    attempt: Mapped[str] = mapped_column(index=True)
    email: Mapped[str]
    language: Mapped[str]
    client_key: Mapped[str]
    wrong_guesses: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_checkout_code_created_at", CheckoutCode.created_at)


def send_code(*, campaign_id: int, attempt: str, email: str, language: str, client_key: str) -> bool:
    """Mail a new code, which ends the earlier ones of this form and address. Returns False when there were too many within the hour."""
    db.session.execute(select(func.pg_advisory_xact_lock(CODES_LOCK)))
    if _has_too_many(attempt, email, client_key):
        return False
    code = CheckoutCode(campaign_id=campaign_id, attempt=attempt, email=_normalized(email), language=language, client_key=client_key)
    db.session.add(code)
    db.session.flush()
    messages.enqueue_notice(MessageKind.CHECKOUT_CODE, str(code.id), checkout_code_id=code.id)
    return True


def _has_too_many(attempt: str, email: str, client_key: str) -> bool:
    c = CheckoutCode
    counts = (
        (func.count().filter(c.attempt == attempt), PER_ATTEMPT),
        (func.count().filter(c.email == _normalized(email)), PER_EMAIL),
        (func.count().filter(c.client_key == client_key), PER_NETWORK),
        (func.count(), OVERALL),
    )
    found = db.session.execute(select(*(count for count, _ in counts)).where(c.created_at > func.now() - timedelta(hours=1))).one()
    return any(count >= most for count, (_, most) in zip(found, counts, strict=True))


def _normalized(email: str) -> str:
    return email.strip().casefold()


def check_code(typed: str, *, attempt: str, email: str) -> CodeCheck:
    """Compare what was typed with the newest code of this form and address, and count a wrong guess. The caller commits."""
    c = CheckoutCode
    newest = select(c).where(c.attempt == attempt, c.email == _normalized(email)).order_by(c.id.desc()).limit(1)
    code = db.session.scalar(newest.with_for_update(), execution_options={"populate_existing": True})
    if code is None:
        return CodeCheck.UNKNOWN
    if code.wrong_guesses >= MAX_WRONG:
        return CodeCheck.USED_UP
    if db.session.scalars(select(c.created_at < func.now() - LIFETIME).where(c.id == code.id)).one():
        return CodeCheck.EXPIRED
    if any(hmac.compare_digest(digits.encode(), typed.encode("utf-8", "replace")) for digits in _all_digits(code)):
        return CodeCheck.RIGHT
    code.wrong_guesses += 1
    db.session.flush()
    return CodeCheck.USED_UP if code.wrong_guesses >= MAX_WRONG else CodeCheck.WRONG


def has_open_code(*, attempt: str, email: str) -> bool:
    """Whether a code was mailed for this form and address that still counts."""
    c = CheckoutCode
    still_counts = (c.wrong_guesses < MAX_WRONG, c.created_at > func.now() - LIFETIME)
    newest = select(and_(*still_counts)).where(c.attempt == attempt, c.email == _normalized(email)).order_by(c.id.desc()).limit(1)
    return bool(db.session.scalar(newest))


def digits_of(code: CheckoutCode) -> str:
    """The six digits of the code, by the current key."""
    return _digits(services().keys, code)


def _all_digits(code: CheckoutCode) -> list[str]:
    """Those by each key that still counts."""
    keys = services().keys
    return [_digits(SecretKeys(secret=secret), code) for secret in (keys.secret, *keys.fallbacks)]


def _digits(keys: SecretKeys, code: CheckoutCode) -> str:
    named = f"{code.id} {code.attempt} {code.email}".encode()
    digest = hmac.new(keys.current(Purpose.CHECKOUT_CODE).encode(), named, sha256).digest()
    return f"{int.from_bytes(digest, 'big') % 1_000_000:06d}"
