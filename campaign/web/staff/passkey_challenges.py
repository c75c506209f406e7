"""Challenges that passkeys sign: each is for one purpose of one member, for five minutes, and a passkey signs it once."""

import secrets
import time
from datetime import UTC, datetime
from enum import StrEnum

import structlog
from flask import request
from itsdangerous import BadSignature, URLSafeSerializer

from campaign.edges import passkeys as webauthn
from campaign.edges.db import db
from campaign.edges.passkeys import Credential, KnownCredential, PasskeyRefused
from campaign.edges.secret_keys import Purpose
from campaign.edges.services import services
from campaign.staff import passkeys
from campaign.staff.members import Staff
from campaign.staff.passkeys import Passkey

log = structlog.get_logger()

SECONDS = 300


class Use(StrEnum):
    """What a challenge is for. The fields of a form begin with it."""

    ADD = "add"
    SIGN_IN = "sign_in"
    CONFIRM = "confirm"

    @property
    def challenge(self) -> str:
        """The field of the challenge."""
        return f"{self}_challenge"

    @property
    def answer(self) -> str:
        """The field of the browser's answer."""
        return f"{self}_answer"


def sign_prompt(use: Use, member: Staff) -> dict[str, str] | None:
    """What a form needs to have one of the member's passkeys sign: its challenge, and the browser's options. None without a passkey."""
    known = _known(member)
    if not known:
        return None
    challenge = _new_challenge(use, member)
    return {"challenge": challenge, "options": webauthn.request_options(host=_host(), challenge=challenge.encode(), known=known)}


def creation_prompt(member: Staff, *, owner: str) -> dict[str, str]:
    """What a form needs to make a passkey for the member. `owner` is who it is for, in the browser's words to the member."""
    challenge = _new_challenge(Use.ADD, member)
    options = webauthn.creation_options(
        host=_host(), owner=owner, email=member.email, handle=_handle(member), challenge=challenge.encode(), known=_known(member)
    )
    return {"challenge": challenge, "options": options}


def accept_signature(use: Use, member: Staff) -> bool:
    """Whether one of the member's passkeys has signed the challenge in the posted form. It counts once."""
    challenge, answer = request.form.get(use.challenge, ""), request.form.get(use.answer, "")
    try:
        issued_at = _issued_at(challenge, use, member)
        key = _passkey_of(member, answer)
        count = webauthn.verify_signature(
            answer, host=_host(), origin=_origin(), challenge=challenge.encode(), public_key=key.public_key, sign_count=key.sign_count
        )
    except PasskeyRefused as error:
        log.warning("security.passkey_refused", staff=member.id, use=use, reason=str(error))
        return False
    is_first = passkeys.record_use(key, sign_count=count, challenged_at=issued_at)
    db.session.commit()
    return is_first


def _passkey_of(member: Staff, answer: str) -> Passkey:
    """The member's passkey that the answer is of. Raises PasskeyRefused."""
    key = passkeys.find(member.id, webauthn.credential_id_in(answer))
    if key is None:
        raise PasskeyRefused("unknown")
    return key


def read_new_passkey(member: Staff) -> Credential:
    """The passkey that the browser made for the challenge in the posted form. Raises PasskeyRefused."""
    challenge, answer = request.form.get(Use.ADD.challenge, ""), request.form.get(Use.ADD.answer, "")
    _issued_at(challenge, Use.ADD, member)
    return webauthn.verify_creation(answer, host=_host(), origin=_origin(), challenge=challenge.encode())


def _new_challenge(use: Use, member: Staff) -> str:
    return str(_serializer().dumps([use, member.fs_uniquifier, time.time(), secrets.token_urlsafe(16)]))


def _issued_at(challenge: str, use: Use, member: Staff) -> datetime:
    """When the challenge was made. Raises PasskeyRefused unless that was within SECONDS, for this use and member."""
    try:
        for_use, uniquifier, at, _ = _serializer().loads(challenge)
    except BadSignature:
        raise PasskeyRefused("challenge") from None
    if (for_use, uniquifier) != (use, member.fs_uniquifier) or not 0 <= time.time() - at <= SECONDS:
        raise PasskeyRefused("challenge")
    return datetime.fromtimestamp(at, UTC)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(services().keys.oldest_first(Purpose.PASSKEY), salt="challenge")


def _known(member: Staff) -> list[KnownCredential]:
    return [KnownCredential(credential_id=key.credential_id, transports=key.transports) for key in passkeys.list_of(member.id)]


def _handle(member: Staff) -> bytes:
    return f"staff {member.id}".encode()


def _host() -> str:
    """The host of this page, which is one of ours (`TRUSTED_HOSTS`): browsers bind a passkey to it."""
    return request.host.partition(":")[0]


def _origin() -> str:
    return request.host_url.rstrip("/")
