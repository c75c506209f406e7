"""The navigation of staff's pages: what each role finds in it, where it leads, and the number of things that need attention."""

import re

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from campaign.campaigns.campaigns import Campaign
from campaign.reporting.staff_todo import StaffTodo
from campaign.staff.members import ROLES
from campaign.web.staff import attention
from campaign.web.staff.attention import Need
from campaign.web.staff.navigation import SECTIONS
from tests.web import csrf_of, open_page, signed_in, submit

NAV = re.compile(r'<div class="sections">(.*?)</div>', re.DOTALL)
LINK = re.compile(r'<a href="([^"]+)"(?: aria-current="(\w+)")?>')
# Pages before or beside the sections: signing in, and confirming that it is the member.
WITHOUT_SECTION = {"security", "staff_sign_in", "staff_confirm", "staff_declarations"}


def links_on(page: str) -> dict[str, str]:
    """The addresses in the navigation, with what each says about the page that is shown."""
    (navigation,) = NAV.findall(page)
    return dict(LINK.findall(navigation))


@pytest.mark.parametrize("role", ROLES)
def test_each_role_finds_the_pages_that_it_may_open_and_each_says_where_it_is(app: Flask, campaign: Campaign, role: str) -> None:
    client = signed_in(app, role)
    opened: set[str] = set()
    to_open = {"/staff/"}
    while to_open:
        url = to_open.pop()
        answer = client.get(url)
        assert answer.status_code == 200, url
        links = links_on(answer.text)
        assert links[url] == "page", url
        assert 1 <= sum(bool(current) for current in links.values()) <= 2, "the section, and the page in it"
        opened.add(url)
        to_open |= set(links) - opened
    assert ("/staff/funders" in opened) == (role in {"manager", "admin"})
    assert ("/staff/members" in opened) == (role == "admin")


def test_each_page_of_staff_is_in_one_section(app: Flask) -> None:
    of_sections = [{*section.others, *(page.blueprint for page in section.pages)} for section in SECTIONS]
    known = set().union(*of_sections)
    assert sum(len(names) for names in of_sections) == len(known), "no page is in two"
    assert {name for name in app.blueprints if name.startswith("staff_")} - WITHOUT_SECTION - known == set()


def test_the_number_beside_home_is_that_of_the_lines_and_follows_what_staff_do(app: Flask, campaign: Campaign) -> None:
    def number(page: str) -> str:
        found = re.search(r'class="count">(\d+)', page)
        return found.group(1) if found else ""

    client = signed_in(app, "manager")
    before = client.get("/staff/")
    lines = before.text.count("<li><span><strong>")
    assert number(before.text) == (str(lines) if lines else "")
    client.post("/staff/card-testing/guard", data={"csrf_token": csrf_of(before), "reason": "many small gifts"})
    mail = client.get("/staff/mail").text
    assert number(mail) == str(lines + 1), "counted again after an act"
    assert "The guard against card testing is on" in client.get("/staff/").text


def test_the_number_of_what_needs_attention_is_asked_for_by_pages_of_staff_alone_and_never_breaks_one(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, asked = signed_in(app, "viewer"), []

    def unavailable(_: Campaign, _todo: StaffTodo) -> list[Need]:
        asked.append(1)
        raise OperationalError("SELECT", {}, Exception("timeout"))

    open_page(client, "/staff/")
    app.extensions["attention"] = {campaign.charity_id: (float("inf"), 7)}
    client.post("/stripe/webhook")
    assert app.extensions["attention"][campaign.charity_id][0] == float("inf"), "what others post asks for no new number"
    monkeypatch.setattr(attention, "list_needs", unavailable)
    page = open_page(client, "/staff/account")
    saved = submit(client, page, "/staff/account/shortcuts", slash="1")
    assert saved.status_code == 303 and app.extensions["attention"] == {campaign.charity_id: (0.0, 7)}, "who acts sees a new number"
    page = open_page(client, "/staff/account")
    assert (page.status_code, '<span class="count">7' in page.text, bool(asked)) == (200, True, True)


def test_the_shortcut_of_one_key_can_be_switched_off(app: Flask, campaign: Campaign) -> None:
    client = signed_in(app, "viewer")
    page = open_page(client, "/staff/account")
    assert 'aria-keyshortcuts="/ Control+K" data-shortcut="/"' in page.text
    submit(client, page, "/staff/account/shortcuts")
    assert 'aria-keyshortcuts="Control+K" data-shortcut=""' in open_page(client, "/staff/account").text
    submit(client, page, "/staff/account/shortcuts", slash="1")
    assert 'data-shortcut="/"' in open_page(client, "/staff/account").text
