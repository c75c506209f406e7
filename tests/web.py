"""Pages in tests: submitted forms, hidden fields, and signed-in clients."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from passlib.totp import TOTP
from sqlalchemy import func
from werkzeug.test import TestResponse

from campaign import create_app
from campaign.config import Settings, setting_descriptions, settings_from
from campaign.donations.donations import Donation
from campaign.edges.db import close_connections, db
from campaign.edges.mailed_tokens import token_hash
from campaign.staff import members, sessions
from campaign.staff.members import APPOINTED_FOR, Staff
from campaign.web.public import donor_access
from campaign.web.security import DONATIONS_PER_CLIENT
from campaign.web.staff import sign_in
from tests.factories import NAME

SLUG = "vision-sanaa-richard"

TRIES = int(DONATIONS_PER_CLIENT.split()[0])

HIDDEN = re.compile(r'name="(csrf_token|attempt|expected_match|expected_for)"[^>]*?value="([^"]*)"')

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')

CORRECTED = {
    "first_name": "Sanâa",
    "last_name": "Richard",
    "organization": "",
    "address_line1": "1, rue Neuve",
    "city": "Laval",
    "country": "CA",
}

FORM = {
    "amount": "100",
    "frequency": "once",
    "first_name": NAME[0],
    "last_name": NAME[1],
    "email": "sanaa@example.org",
    "address_line1": "123, rue de l’Église",
    "city": "Montréal",
    "province": "Québec",
    "postal_code": "h2x1y4",
    "country": "CA",
}


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as in the environment."""
    return {name: str(getattr(settings, name.lower())) for name in setting_descriptions()}


@contextmanager
def app_with(settings: Settings, secret: str, *fallbacks: str) -> Iterator[Flask]:
    """The service with another SECRET_KEY, on the same database."""
    app = create_app(settings_from({**environment_of(settings), "SECRET_KEY": secret, "SECRET_KEY_FALLBACKS": ",".join(fallbacks)}))
    with app.app_context():
        try:
            yield app
        finally:
            close_connections()
            app.extensions["services"].waker.close()


def hidden_fields(page: TestResponse) -> dict[str, str]:
    return dict(HIDDEN.findall(page.text))


def send(client: FlaskClient, language: str = "fr", slug: str = SLUG, **changed: object) -> TestResponse:
    fields = hidden_fields(client.get(f"/{language}/{slug}"))
    return client.post(f"/{language}/{slug}/donations", data={**FORM, **fields, **changed})


# Of a password that nobody types, with little work.
A_HASH = "$argon2id$v=19$m=8,t=1,p=1$vRfCeO9day2ldC4lRIiR0g$k6/03i0XNzQgRBmUaBc1mAGIU+JdIqGxjlcIrL5gLyU"


def signed_in(app: Flask, role: str | None, *, seen_ago: int = 0, started_ago: int = 0, address: str = "member@example.org") -> FlaskClient:
    """A client whose session is that of a member of staff, who signed in `started_ago` and was last seen `seen_ago` seconds ago."""
    member = db.session.query(Staff).filter_by(email=address).first() or members.add_staff(address, role or "viewer")
    if role is None:
        member.roles = []
    member.password, member.role_since = A_HASH, func.now() - APPOINTED_FOR
    token = sessions.begin(member.id, client="a test", network="a network")
    found = db.session.query(sessions.StaffSession).filter_by(token_hash=token_hash(token)).one()
    found.seen_at, found.begun_at = (found.seen_at - timedelta(seconds=ago) for ago in (seen_ago, started_ago))
    db.session.commit()
    client, now = app.test_client(), int(time.time())
    with client.session_transaction() as session:
        session.update(
            {"_user_id": member.fs_uniquifier, "_fresh": True, "fs_cc": "set", "fs_paa": now, "identity.id": member.fs_uniquifier}
        )
        session[sign_in.SESSION_KEY] = token
    return client


def grant_access(client: FlaskClient, donation: Donation) -> None:
    """Let the client change the gifts of this donor, as after a link that was mailed to them."""
    with client.session_transaction() as session:
        session[donor_access.ACCESS] = donor_access.grant_of(donation.donor_id)


def csrf_of(page: TestResponse) -> str:
    token = TOKEN.search(page.text)
    assert token
    return token.group(1)


def open_page(client: FlaskClient, path: str, *, base: str | None = None) -> TestResponse:
    """The page, in a context of its own, which knows who is signed in."""
    with client.application.app_context():
        return client.get(path, base_url=base)


def submit(client: FlaskClient, page: TestResponse, path: str, *, base: str | None = None, **fields: object) -> TestResponse:
    """Post the fields with the token of the page."""
    token = hidden_fields(page)["csrf_token"]
    with client.application.app_context():
        return client.post(path, data={"csrf_token": token, **fields}, base_url=base)


def one_time_code(secret_key: str) -> str:
    """The code that an authenticator app with this key shows now."""
    generator: type = TOTP
    return str(generator(key=secret_key, format="base32").generate(time.time()).token)


def hash_cheaply(password: str) -> str:
    """A hash of the password with the least work, for tests that check it often."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def add_member(app: Flask, role: str, *, address: str, password: str) -> Staff:
    """A member who has chosen this password and set up one-time codes."""
    added = members.add_staff(address, role)
    codes = app.extensions["security"].totp_factory
    added.password, added.tf_primary_method, added.tf_totp_secret = hash_cheaply(password), "authenticator", codes.generate_totp_secret()
    db.session.commit()
    return added
