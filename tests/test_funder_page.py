"""The page of a funder: as of now and of any past day, of each of their funds and nobody else's, without a word about donors."""

import io
import re
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import access_links
from campaign.matching.funds import Fund
from campaign.reporting import fund_reach, ledger_days
from tests.factories import another_campaign, create_fund, create_refund, paid, start_donation, today
from tests.mail import pdf_text

PAGE = "/funder/?lang=en"
DAYS_AGO = 10


def open_link(client: FlaskClient, fund: Fund) -> None:
    url = access_links.create_link(fund, actor="test")
    db.session.commit()
    answer = client.get("/" + url.split("/", 3)[3])
    assert (answer.status_code, answer.location) == (302, "/funder/")


def words_of(page: str) -> str:
    """The page as read: without tags, with plain spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.replace("\u00a0", " "))).replace(" ,", ",")


def age(days: int) -> None:
    """Let everything in the books be so many days older."""
    db.session.execute(text("SET session_replication_role = replica"))
    for table, column in (("ledger_entry", "at"), ("fund_change", "at"), ("fund", "activated_at")):
        db.session.execute(text(f"UPDATE {table} SET {column} = {column} - make_interval(days => :days)"), {"days": days})
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()


@pytest.mark.owner
def test_any_past_day_is_as_the_books_had_it_then(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    for _ in range(3):
        paid(campaign, 100_00, email="one@example.org")
    first = paid(campaign, 50_00, email="two@example.org")
    paid(campaign, 80_00, email="three@example.org")
    age(DAYS_AGO)
    open_link(client, fund)
    day, before = today() - timedelta(days=DAYS_AGO), today() - timedelta(days=DAYS_AGO + 1)
    then = words_of(client.get(f"{PAGE}&as_of={day}").text)
    create_refund(first, 50_00)
    paid(campaign, 1_000_00, email="three@example.org")
    start_donation(campaign, 25_00)
    db.session.commit()
    now = words_of(client.get(PAGE).text)
    assert "$1,380 of your $50,000 is matched so far, and has moved $1,380 from 2 donors" in now
    assert "5 gifts matched" in now
    assert "$48,595.00" in now, "less what is on hold"
    assert "Back to today" not in now
    again = client.get(f"{PAGE}&as_of={day}")
    assert words_of(again.text) == then, "whatever came after it"
    assert "$430 of your $50,000 is matched so far, and has moved $430 from 3 donors" in then
    assert "Back to today" in then
    assert "5 gifts, matched with $430.00" in then
    assert client.get(f"{PAGE}&as_of={today()}").text.count("Back to today") == 0
    # The same from what is stored of ended days.
    ledger_days.store_ended_days(campaign, now=datetime.now(UTC))
    fund_reach.store_ended_days(campaign)
    db.session.commit()
    assert words_of(client.get(f"{PAGE}&as_of={day}").text) == then
    assert "has moved $1,380 from 2 donors" in words_of(client.get(PAGE).text)
    for wrong, error in (
        ("yesterday", "Please write a day like"),
        ("2026-02-30", "Please write a day like"),
        ("9999-12-31", "Please write a day like"),
        (str(today() + timedelta(days=1)), "This day has not come yet."),
        (str(before), "Your fund began on"),
        ("<b>" * 50, "Please write a day like"),
    ):
        answer = client.get("/funder/", query_string={"lang": "en", "as_of": wrong})
        assert (answer.status_code, error in answer.text, 'id="as_of-error"' in answer.text) == (422, True, True), wrong
        assert "has moved $1,380 from 2 donors" in words_of(answer.text), "the page is there all the same"


@pytest.mark.owner
def test_the_slider_leads_to_its_day_without_a_script(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    paid(campaign)
    age(DAYS_AGO)
    open_link(client, fund)
    fourth = today() - timedelta(days=DAYS_AGO - 4)
    sent = {"lang": "en", "fund": fund.slug, "as_of": str(today()), "shown": str(DAYS_AGO), "place": "4"}
    moved = client.get("/funder/", query_string=sent)
    assert (moved.status_code, f"as_of={fourth}" in moved.location) == (303, True)
    assert f'value="{fourth}"' in client.get(moved.location).text
    typed = client.get("/funder/", query_string={**sent, "as_of": str(fourth)})
    assert (typed.status_code, "Back to today" in typed.text) == (200, True), "a day that was typed goes first"
    for place in ("-1", str(DAYS_AGO + 1), "x", "9" * 40):
        assert client.get("/funder/", query_string={**sent, "place": place}).status_code == 200
    moved = client.get("/funder/report?lang=fr&as_of=" + str(fourth))
    assert (moved.status_code, moved.location) == (301, f"/funder/?lang=fr&as_of={fourth}")


def test_few_gifts_show_as_sums_alone(client: FlaskClient, campaign: Campaign, fund: Fund) -> None:
    open_link(client, fund)
    assert "Your $50,000 is ready for the first gift" in client.get(PAGE).text.replace("\u00a0", " ")
    for cents in (41_17, 58_83, 10_00, 20_00):
        paid(campaign, cents)
    db.session.commit()
    page = client.get(PAGE).text
    assert "Matches show here once five gifts are matched" in page
    assert "fewer than 5" in page
    assert "41.17" not in page
    paid(campaign, 30_00)
    db.session.commit()
    assert "5 gifts, matched with $160.00" in client.get(PAGE).text


FUNDER_ROUTES = (
    "/funder/",
    "/funder/reports",
    "/funder/statements/",
    "/funder/report",
    "/funder/report.csv",
    "/funder/report.xlsx",
    "/funder/report.json",
    "/funder/report.pdf",
)


def test_a_funder_has_their_funds_and_nobody_elses(app: Flask, campaign: Campaign, fund: Fund) -> None:
    elsewhere = another_campaign(like=campaign)
    other = create_fund(campaign, 777_00, position=2)
    own_elsewhere = create_fund(elsewhere, 333_00, position=1, funder_id=fund.funder_id)
    draft = create_fund(campaign, 111_00, position=3, active=False, funder_id=fund.funder_id)
    client, stranger = app.test_client(), app.test_client()
    open_link(client, fund)
    open_link(stranger, other)
    page = client.get(PAGE).text
    assert (f"fund={own_elsewhere.slug}" in page, f"fund={draft.slug}" in page, other.slug in page) == (True, False, False)
    chosen = client.get(f"{PAGE}&fund={own_elsewhere.slug}").text
    assert "Your $333 is ready" in chosen
    assert "Your $333 is ready" in client.get(PAGE).text, "the session has it"
    assert own_elsewhere.slug in client.get("/funder/report.csv", follow_redirects=True).headers["Content-Disposition"]
    alone = stranger.get(PAGE).text
    assert "Your $777 is ready" in alone
    assert 'aria-label="Your funds"' not in alone
    for path in FUNDER_ROUTES:
        for one, theirs in (
            (stranger, fund.slug),
            (stranger, own_elsewhere.slug),
            (client, other.slug),
            (client, draft.slug),
            (client, "x"),
        ):
            assert one.get(f"{path}?fund={theirs}").status_code == 404, (path, theirs)
    assert "Your $333 is ready" in client.get(PAGE).text, "a fund of somebody else is not chosen"
    access_links.revoke_links(fund, actor="test")
    db.session.commit()
    assert {client.get(path).status_code for path in FUNDER_ROUTES} == {403}
    assert stranger.get(PAGE).status_code == 200


MARK = "Kanarienvogel"


def test_nothing_of_a_donor_is_anywhere_and_the_page_asks_as_many_queries_for_many_gifts(
    client: FlaskClient, campaign: Campaign, fund: Fund
) -> None:
    marked = dict.fromkeys(("first_name", "last_name", "organization", "address_line1", "address_line2", "city", "public_name"), MARK)
    texts = {"tribute_kind": "honour", "tribute_name": MARK, "message": MARK, "email": f"{MARK.lower()}@example.org"}
    paid(campaign, 123_45, is_declared=False, **marked, **texts)
    open_link(client, fund)

    def queries() -> int:
        found: list[str] = []

        def note(*of: Any) -> None:
            found.append(of[2])

        event.listen(db.engine, "before_cursor_execute", note)
        assert client.get(PAGE).status_code == 200
        event.remove(db.engine, "before_cursor_execute", note)
        return len(found)

    few = queries()
    for _ in range(8):
        paid(campaign, 20_00)
    db.session.commit()
    assert (queries(), few <= 40) == (few, True)
    paths = (PAGE, f"{PAGE}&as_of={today()}", "/funder/?lang=fr", *(path for path in FUNDER_ROUTES if "." in path))
    files = {path: client.get(path, follow_redirects=True).data for path in paths}
    with zipfile.ZipFile(io.BytesIO(files["/funder/report.xlsx"])) as workbook:
        files["/funder/report.xlsx"] = b"".join(workbook.read(name) for name in workbook.namelist())
    files["/funder/report.pdf"] = pdf_text(files["/funder/report.pdf"]).encode()
    assert [path for path, data in files.items() if MARK.lower().encode() in data.lower()] == []
    assert b"$283.45" in client.get(PAGE).data.replace(b"\xc2\xa0", b" "), "control: a sum by day, as in the statement"
