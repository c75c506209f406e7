"""Errors that a page swallows reach Sentry, without what donors wrote."""

from collections.abc import Iterator

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from campaign import create_app
from campaign.config import Settings
from campaign.edges.db import close_connections
from tests.web import FORM, SLUG, hidden_fields

CANARY = "canary-7f3a"


class Collected(Transport):
    """Collects what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize().decode())


@pytest.fixture
def collected() -> Iterator[Collected]:
    yield Collected()
    sentry_sdk.init()


@pytest.mark.parametrize("is_guarded", [True, False], ids=["as it is", "control: with local variables"])
def test_an_error_behind_a_page_is_reported_without_what_the_donor_wrote(
    settings: Settings, collected: Collected, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    if not is_guarded:
        init = sentry_sdk.init
        monkeypatch.setattr(sentry_sdk, "init", lambda **options: init(**{**options, "include_local_variables": True}))
    app = create_app(settings.model_copy(update={"sentry_dsn": "http://key@127.0.0.1:9/1"}))
    sentry_sdk.get_client().transport = collected
    with app.app_context():
        client = app.test_client()
        fields = {
            **FORM,
            **hidden_fields(client.get(f"/en/{SLUG}")),
            "first_name": CANARY,
            "email": f"{CANARY}@example.org",
            "message": CANARY,
        }

        def fail(*_: object) -> None:
            email = f"{CANARY}@example.org"
            raise RuntimeError("something broke") from ValueError(len(email))

        monkeypatch.setattr("campaign.web.public.batching.start_checkout", fail)
        answer = client.post(f"/en/{SLUG}/donations", data=fields)
        assert answer.status_code == 500
        assert "The error was recorded." in answer.text
        close_connections()
    sentry_sdk.flush()
    reports = [sent for sent in collected.sent if "something broke" in sent]
    assert len(reports) == 1
    assert (CANARY not in "".join(collected.sent)) is is_guarded


@pytest.mark.parametrize("is_guarded", [True, False], ids=["as it is", "control: with all of the request"])
def test_a_report_has_no_token_of_a_link_and_no_header(
    settings: Settings, collected: Collected, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    if not is_guarded:
        init = sentry_sdk.init
        monkeypatch.setattr(sentry_sdk, "init", lambda **options: init(**{**options, "before_send": None}))
    app = create_app(settings.model_copy(update={"sentry_dsn": "http://key@127.0.0.1:9/1"}))
    sentry_sdk.get_client().transport = collected
    with app.app_context():
        monkeypatch.setattr("campaign.web.public.donation_page.donation_by_token", lambda _: 1 / 0)
        url = f"/en/donations/{CANARY}-of-a-long-token?again={CANARY}-of-a-long-token&email={CANARY}@example.org"
        assert app.test_client().get(url, headers={"Referer": f"http://127.0.0.1:8000/{CANARY}"}).status_code == 500
        close_connections()
    sentry_sdk.flush()
    (report,) = [sent for sent in collected.sent if "division by zero" in sent]
    assert "donation_page.page" in report
    assert (CANARY not in report) is is_guarded
