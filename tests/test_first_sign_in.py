"""A first sign-in: three steps in one flow, in our own words in both languages, and from the start again for a member who was reset."""

import html
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_babel import force_locale
from flask_security.babel import FsDomain
from flask_security.core import _default_messages
from werkzeug.test import TestResponse

from campaign.edges.db import db
from campaign.staff import members, passkeys, recovery_codes
from campaign.staff.members import Staff
from campaign.staff.password_links import one_time_link
from campaign.web.security import limiter
from campaign.web.staff import halfway
from tests.web import add_member, hidden_fields, one_time_code, open_page, signed_in, submit

ADDRESS, PASSWORD = "member@example.org", "three quiet herons at dawn"
KEY, QR = re.compile(r'id="totp-key">([^<]+)<'), re.compile(r'src="(data:image/svg[^"]+)"')
CODE = re.compile(r"<code>((?:[0-9A-Z]{4}-){5}[0-9A-Z]{4})</code>")
TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)


@pytest.fixture(autouse=True)
def limits_count(app: Flask) -> None:
    limiter._storage_dead = False


def link_of(app: Flask, member: Staff) -> str:
    db.session.commit()
    with app.test_request_context():
        return one_time_link(member).removeprefix(app.extensions["services"].links.base_url)


def choose_password(client: FlaskClient, link: str, password: str = PASSWORD, again: str = PASSWORD) -> TestResponse:
    return submit(client, open_page(client, link), link, password=password, password_confirm=again)


def member() -> Staff:
    db.session.expire_all()
    return db.session.query(Staff).filter_by(email=ADDRESS).one()


def set_up(client: FlaskClient) -> TestResponse:
    """Steps 2: the page that follows the right code."""
    page = open_page(client, "/staff/second-factor")
    return submit(client, page, "/staff/second-factor", code=one_time_code(KEY.findall(page.text)[0]))


def test_a_first_sign_in_is_one_flow_of_three_steps(app: Flask, client: FlaskClient) -> None:
    link = link_of(app, members.add_staff(ADDRESS, "clerk"))
    assert "Step 1 of 3" in open_page(client, link).text
    assert choose_password(client, link).location == "/staff/second-factor", "the password is not typed again"
    page = open_page(client, "/staff/second-factor")
    assert "Step 2 of 3" in page.text
    wrong = submit(client, page, "/staff/second-factor", code="000000")
    assert (KEY.findall(wrong.text), QR.findall(wrong.text)) == (KEY.findall(page.text), QR.findall(page.text)) != ([], [])
    assert 'aria-describedby="code-error"' in wrong.text
    assert member().tf_totp_secret is None, "nothing is set up before a code was right"
    codes_page = submit(client, wrong, "/staff/second-factor", code=one_time_code(KEY.findall(wrong.text)[0]))
    codes = CODE.findall(codes_page.text)
    assert "Step 3 of 3" in codes_page.text
    assert len(codes) == recovery_codes.COUNT
    again = submit(client, codes_page, "/staff/account/recovery-codes/stored", codes=codes, is_first="1")
    assert CODE.findall(again.text) == codes, "without the tick they are shown again"
    assert "tick this box" in again.text
    done = submit(client, codes_page, "/staff/account/recovery-codes/stored", codes=codes, is_first="1", stored="1")
    assert done.location == "/staff/"
    assert open_page(client, "/staff/").status_code == 200
    assert not set(CODE.findall(open_page(client, "/staff/account").text)), "they are shown once"


def test_a_second_browser_that_is_at_step_two_replaces_no_factor_that_was_set_up_meanwhile(app: Flask, client: FlaskClient) -> None:
    link = link_of(app, members.add_staff(ADDRESS, "clerk"))
    choose_password(client, link)
    late = app.test_client()
    submit(late, open_page(late, "/staff/sign-in"), "/staff/sign-in", email=ADDRESS, password=PASSWORD)
    page = open_page(late, "/staff/second-factor")
    assert KEY.findall(page.text), "both are at step 2"
    set_up(client)
    secret = member().tf_totp_secret
    refused = submit(late, page, "/staff/second-factor", code=one_time_code(KEY.findall(page.text)[0]))
    assert (refused.location, member().tf_totp_secret) == ("/staff/sign-in", secret)


def test_codes_of_nobody_are_not_shown(app: Flask) -> None:
    client = signed_in(app, "viewer")
    page = submit(client, open_page(client, "/staff/account"), "/staff/account/recovery-codes/stored", codes="<b>of nobody")
    assert page.location == "/staff/account"


def test_a_sign_in_under_way_ends_after_fifteen_minutes(app: Flask, client: FlaskClient) -> None:
    choose_password(client, link_of(app, members.add_staff(ADDRESS, "clerk")))
    for age, location in ((halfway.SECONDS - 5, None), (halfway.SECONDS + 5, "/staff/sign-in")):
        with client.session_transaction() as session:
            session["tf_begun_at"] -= age
        assert open_page(client, "/staff/second-factor").location == location
        with client.session_transaction() as session:
            session["tf_begun_at"] = session.get("tf_begun_at", 0) + age


def test_a_new_password_alone_does_not_sign_in_a_member_with_a_factor(app: Flask, client: FlaskClient) -> None:
    link = link_of(app, add_member(app, "clerk", address=ADDRESS, password=PASSWORD))
    page = open_page(client, link)
    assert "Step 1" not in page.text
    assert choose_password(client, link).location.startswith("/staff/code")
    assert open_page(client, "/staff/").status_code == 302
    assert open_page(client, "/staff/second-factor").location == "/staff/sign-in", "nor does it replace the factor"


def test_a_deactivated_member_cannot_go_on(app: Flask, client: FlaskClient) -> None:
    choose_password(client, link_of(app, members.add_staff(ADDRESS, "clerk")))
    member().active = False
    db.session.commit()
    assert open_page(client, "/staff/second-factor").location == "/staff/sign-in"


def test_a_member_who_was_reset_walks_all_steps_again_and_nothing_earlier_counts(app: Flask, client: FlaskClient) -> None:
    added = add_member(app, "clerk", address=ADDRESS, password=PASSWORD)
    old = recovery_codes.replace(added)
    passkeys.add(added.id, credential_id=b"an id", public_key=b"a key", sign_count=0, transports=[], name="phone")
    members.reset_staff(ADDRESS)
    assert (recovery_codes.count_left(added), passkeys.list_of(added.id)) == (0, [])
    choose_password(client, link_of(app, added))
    assert len(CODE.findall(set_up(client).text)) == recovery_codes.COUNT
    assert not recovery_codes.accept(member(), old[0])


def pages(app: Flask, language: str) -> Iterator[TestResponse]:
    """What each page of the sign-in shows, and what it answers to forms that are empty, wrong or too late."""
    link = link_of(app, members.add_staff(ADDRESS, "clerk"))
    with_factor = add_member(app, "clerk", address="other@example.org", password=PASSWORD)
    passkeys.add(with_factor.id, credential_id=b"an id", public_key=b"a key", sign_count=0, transports=[], name="phone")
    db.session.commit()
    new, known, visitor = (app.test_client() for _ in range(3))
    for client in (new, known, visitor):
        open_page(client, f"/staff/sign-in?lang={language}")
    inside = signed_in(app, "clerk", address="third@example.org")
    open_page(inside, f"/staff/?lang={language}")
    for bad, again in (("", ""), ("short", "other"), ("short", "short")):
        yield choose_password(new, link, bad, again)
    choose_password(new, link)
    for code in ("", "000000"):
        yield submit(new, open_page(new, "/staff/second-factor"), "/staff/second-factor", code=code)
    yield set_up(new)
    sign_in = open_page(known, "/staff/sign-in")
    for email, password in (("", ""), ("nobody", "x"), ("nobody@example.org", "x"), ("other@example.org", "x")):
        yield submit(known, sign_in, "/staff/sign-in", email=email, password=password)
    yield submit(known, sign_in, "/staff/sign-in", email="other@example.org", password=PASSWORD, next="//evil.example")
    yield submit(known, sign_in, "/staff/sign-in", email="other@example.org", password=PASSWORD)
    for path in ("/staff/code", "/staff/recovery-code"):
        yield submit(known, open_page(known, path), path, code="")
    yield submit(known, open_page(known, "/staff/code"), "/staff/passkey", sign_in_answer="{}")
    for email in ("", "nobody", "other@example.org"):
        yield submit(visitor, open_page(visitor, "/staff/password"), "/staff/password", email=email)
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("security.") and "GET" in (rule.methods or ())]
    for client in (visitor, inside):
        for path in (link, *(rule.rule.replace("<token>", "old") for rule in rules)):
            with app.app_context():
                yield client.get(path, follow_redirects=True)
    page = open_page(inside, "/staff/account")
    for path in ("/staff/verify", "/staff/sign-in", "/staff/password", "/staff/password/old", "/staff/code", "/staff/passkey"):
        yield submit(inside, page, path, confirm_password="wrong", password="wrong", email="x")


def visible(page: TestResponse) -> str:
    return " ".join(html.unescape(TAGS.sub(" ", page.text)).split())


def sentences_of_the_library(app: Flask, language: str) -> list[re.Pattern[str]]:
    app.config.update(SECURITY_I18N_DOMAIN="flask_security", SECURITY_I18N_DIRNAME="builtin")
    with app.test_request_context(), force_locale(language):
        domain = FsDomain(app)
        texts = {str(domain.gettext(text)) for text, _ in _default_messages.values()} | {text for text, _ in _default_messages.values()}
    variables = re.compile(r"%\\?\(\w+\\?\)[sd]?")
    return [re.compile(variables.sub(".*", re.escape(text.strip()))) for text in texts]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_sentence_of_the_library_and_no_straight_apostrophe_is_shown(app: Flask, language: str) -> None:
    shown = {visible(page) for page in pages(app, language)}
    theirs = sentences_of_the_library(app, language)
    assert len(shown) > 15
    assert [(found[0], text) for text in shown for sentence in theirs if (found := sentence.search(text))] == []
    assert [text for text in shown if "'" in text] == []


def test_control_a_sentence_of_the_library_is_found(app: Flask, client: FlaskClient) -> None:
    app.config["SECURITY_MSG_GENERIC_AUTHN_FAILED"] = _default_messages["GENERIC_AUTHN_FAILED"]
    page = submit(client, open_page(client, "/staff/sign-in"), "/staff/sign-in", email="nobody@example.org", password="x")
    assert any(sentence.search(visible(page)) for sentence in sentences_of_the_library(app, "en"))


def test_every_form_of_the_first_sign_in_needs_its_token(app: Flask, client: FlaskClient) -> None:
    for path in ("/staff/second-factor", "/staff/code", "/staff/recovery-code", "/staff/passkey"):
        assert client.post(path, data={"code": "000000"}).status_code == 400
    assert client.post("/staff/verify", data={"code": "000000"}).status_code == 403, "nobody is signed in"
    assert hidden_fields(open_page(client, "/staff/sign-in"))
