"""WebAuthn: what a browser is asked when it makes a passkey or signs with one, and the check of its answer (W3C Web Authentication, level 2).

`host` is the relying party, `origin` the scheme, host and port of the page. Nothing of the library gets out of this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import webauthn
from webauthn.helpers import options_to_json, parse_authentication_credential_json, parse_registration_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

TIMEOUT_MILLISECONDS = 120_000
_TRANSPORTS = frozenset(transport.value for transport in AuthenticatorTransport)


class PasskeyRefused(Exception):
    """The answer of the browser does not prove what was asked."""


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A passkey as the browser made it."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class KnownCredential:
    """A passkey that may sign, or may not be made again."""

    credential_id: bytes
    transports: Sequence[str]


def creation_options(*, host: str, owner: str, email: str, handle: bytes, challenge: bytes, known: Sequence[KnownCredential]) -> str:
    """What a browser needs to make a passkey, as JSON. `owner` is who it is for, `handle` identifies the member without naming them."""
    selection = AuthenticatorSelectionCriteria(
        resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
    )
    options = webauthn.generate_registration_options(
        rp_id=host,
        rp_name=owner,
        user_id=handle,
        user_name=email,
        challenge=challenge,
        timeout=TIMEOUT_MILLISECONDS,
        authenticator_selection=selection,
        exclude_credentials=_descriptors(known),
    )
    return options_to_json(options)


def verify_creation(answer: str, *, host: str, origin: str, challenge: bytes) -> Credential:
    """The passkey in the browser's answer. Raises PasskeyRefused."""
    try:
        credential = parse_registration_credential_json(answer)
        verified = webauthn.verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=host, expected_origin=origin
        )
    except _UNREADABLE as error:
        raise PasskeyRefused(type(error).__name__) from None
    return Credential(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=[transport.value for transport in credential.response.transports or []],
    )


def request_options(*, host: str, challenge: bytes, known: Sequence[KnownCredential]) -> str:
    """What a browser needs to sign with one of these passkeys, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=host, challenge=challenge, timeout=TIMEOUT_MILLISECONDS, allow_credentials=_descriptors(known)
    )
    return options_to_json(options)


def credential_id_in(answer: str) -> bytes:
    """Which passkey the browser's answer is of. Raises PasskeyRefused."""
    try:
        return parse_authentication_credential_json(answer).raw_id
    except _UNREADABLE as error:
        raise PasskeyRefused(type(error).__name__) from None


def verify_signature(answer: str, *, host: str, origin: str, challenge: bytes, public_key: bytes, sign_count: int) -> int:
    """The passkey's new number of signatures, if it has signed the challenge for this page. Raises PasskeyRefused."""
    try:
        return webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=host,
            expected_origin=origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
        ).new_sign_count
    except _UNREADABLE as error:
        raise PasskeyRefused(type(error).__name__) from None


# A hostile answer fails in the library's parsers with more than its own errors.
_UNREADABLE = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


def _descriptors(known: Sequence[KnownCredential]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=one.credential_id, transports=[AuthenticatorTransport(name) for name in one.transports if name in _TRANSPORTS] or None
        )
        for one in known
    ]
