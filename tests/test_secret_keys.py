"""SECRET_KEY and its rotation: nobody is locked out, no form in flight is lost, and a guessable key is refused."""

import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_security import hash_password
from passlib.totp import TOTP
from sqlalchemy import select

from campaign.config import STRIPE, Settings, SettingsError, settings_from
from campaign.edges.db import db
from campaign.edges.secret_keys import Purpose, SecretKeys
from campaign.staff import members, password_links
from campaign.staff.members import Staff
from campaign.web.staff import one_time_codes
from campaign.web.staff.one_time_codes import UnknownSecretKey, encrypt_second_factors_again
from tests.conftest import Stripe
from tests.web import FORM, SLUG, app_with, environment_of, hidden_fields

OLD = "the first secret of this test: 0123456789"
NEW = "another secret of this test: 9876543210"
PASSWORD = "three quiet herons at dawn"
ADDRESS = "clerk@example.org"


def add_member(app: Flask) -> str:
    """A member with a password and a second factor; returns the secret of the factor, as in the database."""
    member = members.add_staff(ADDRESS, "clerk")
    member.password = hash_password(PASSWORD)
    member.tf_primary_method, member.tf_totp_secret = "authenticator", codes_of(app).generate_totp_secret()
    db.session.commit()
    return member.tf_totp_secret


def codes_of(app: Flask) -> one_time_codes.OneTimeCodes:
    found = app.extensions["security"].totp_factory
    assert isinstance(found, one_time_codes.OneTimeCodes)
    return found


def code_for(app: Flask, secret: str, *, seconds_from_now: float = 0) -> str:
    key = codes_of(app).get_totp_b32_key(secret)
    generator: Any = TOTP
    return str(generator(key=key, format="base32").generate(time.time() + seconds_from_now).token)


def try_to_sign_in(client: FlaskClient, code: str) -> bool:
    """Whether the password and this code lead to staff's first page."""
    app = client.application
    with app.app_context():  # Each request has a context of its own, which knows who is signed in.
        token = hidden_fields(client.get("/staff/sign-in"))["csrf_token"]
    with app.app_context():
        fields = {"email": ADDRESS, "password": PASSWORD, "csrf_token": token}
        page = client.post("/staff/sign-in", data=fields, follow_redirects=True)
    with app.app_context():
        client.post("/staff/code", data={"code": code, "csrf_token": hidden_fields(page)["csrf_token"]})
    return is_signed_in(client)


def is_signed_in(client: FlaskClient) -> bool:
    with client.application.app_context():
        return client.get("/staff/").status_code == 200


def test_each_purpose_has_a_key_of_its_own_and_old_keys_are_known_in_order() -> None:
    keys = SecretKeys(secret=NEW, fallbacks=(OLD, "older"))
    assert len({keys.current(purpose) for purpose in Purpose}) == len(Purpose)
    assert keys.oldest_first(Purpose.WEB)[-1] == keys.current(Purpose.WEB)
    assert keys.earlier(Purpose.WEB)[0] == SecretKeys(secret=OLD).current(Purpose.WEB)
    assert NEW not in "".join(keys.oldest_first(Purpose.WEB))


def test_during_a_rotation_forms_sessions_links_passwords_and_second_factors_work(settings: Settings, stripe: Stripe) -> None:
    with app_with(settings, OLD) as old:
        secret = add_member(old)
        client = old.test_client()
        form = hidden_fields(client.get(f"/en/{SLUG}"))
        assert try_to_sign_in(client, code_for(old, secret))
        cookie = client.get_cookie("session")
        assert cookie
        with old.test_request_context():
            link = password_links.one_time_link(members.add_staff("new@example.org", "viewer"))
        db.session.commit()
    with app_with(settings, NEW, OLD) as new:
        client = new.test_client()
        assert client.post(f"/en/{SLUG}/donations", data={**FORM, **form}).status_code == 303
        client.set_cookie("session", cookie.value)
        assert is_signed_in(client)
        assert new.test_client().get(link.removeprefix(settings.base_url)).status_code == 200
        assert try_to_sign_in(new.test_client(), code_for(new, secret, seconds_from_now=30))


def test_control_without_the_fallback_the_form_in_flight_and_the_code_are_not_known(settings: Settings) -> None:
    with app_with(settings, OLD) as old:
        secret = add_member(old)
        form, code = hidden_fields(old.test_client().get(f"/en/{SLUG}")), code_for(old, secret)
    with app_with(settings, NEW) as new:
        assert new.test_client().post(f"/en/{SLUG}/donations", data={**FORM, **form}).status_code == 422
        assert not try_to_sign_in(new.test_client(), code)


def test_the_drill_after_the_command_the_old_key_may_go(settings: Settings) -> None:
    with app_with(settings, OLD) as old:
        add_member(old)
    with app_with(settings, NEW, OLD):
        assert encrypt_second_factors_again() == 1
        db.session.commit()
    with app_with(settings, NEW) as new:
        secret = db.session.scalars(select(Staff.tf_totp_secret).where(Staff.email == ADDRESS)).one()
        assert secret
        assert try_to_sign_in(new.test_client(), code_for(new, secret, seconds_from_now=30))


def test_the_command_names_the_member_whose_key_is_unknown_and_changes_nothing(settings: Settings) -> None:
    with app_with(settings, OLD) as old:
        secret = add_member(old)
    with app_with(settings, NEW):
        with pytest.raises(UnknownSecretKey, match=f"{ADDRESS} was encrypted with another SECRET_KEY"):
            encrypt_second_factors_again()
        assert db.session.scalars(select(Staff.tf_totp_secret).where(Staff.email == ADDRESS)).one() == secret


def test_a_code_works_once_and_only_in_its_own_half_minute_or_beside_it(settings: Settings) -> None:
    with app_with(settings, OLD) as app:
        secret = add_member(app)
        early, late = code_for(app, secret, seconds_from_now=-90), code_for(app, secret, seconds_from_now=90)
        assert not try_to_sign_in(app.test_client(), early)
        assert not try_to_sign_in(app.test_client(), late)
        now = code_for(app, secret)
        assert try_to_sign_in(app.test_client(), now)
        assert not try_to_sign_in(app.test_client(), now), "a code that somebody saw is worth nothing"


@pytest.mark.parametrize(
    "secret", ["a" * 39, "short", "abcabcabcabcabcabcabcabcabcabcabcabcabc", "0123456789012345678901234567890123456789", "01" * 20]
)
def test_a_guessable_secret_is_refused(settings: Settings, secret: str) -> None:
    with pytest.raises(SettingsError, match="SECRET_KEY must be a secret"):
        settings_from({**environment_of(settings), "SECRET_KEY": secret})
    with pytest.raises(SettingsError, match="SECRET_KEY_FALLBACKS must be a secret"):
        settings_from({**environment_of(settings), "SECRET_KEY_FALLBACKS": secret})


def test_in_live_mode_the_public_address_is_https(settings: Settings) -> None:
    live = {**environment_of(settings), "STRIPE_LIVEMODE": "true", "STRIPE_SECRET_KEY": "sk_live_x", "STRIPE_API_BASE": STRIPE}
    with pytest.raises(SettingsError, match="https"):
        settings_from({**live, "BASE_URL": "http://give.example.org"})
    assert settings_from({**live, "BASE_URL": "https://give.example.org"}).is_https
