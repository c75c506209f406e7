"""Gifts on the page of a campaign: shown only while donor, staff and the books agree, with others, late, and in an order that says nothing."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text, update
from sqlalchemy.exc import IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.donations import wall_actions, wall_entries, wall_jobs
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.donations.wall_entries import WallEntry
from campaign.edges.db import db
from campaign.edges.stripe.reversals import ReversalKind
from campaign.privacy import erasure, person_data, retention_jobs
from campaign.reporting import staff_todo
from campaign.rules.public_names import Flaw, flaw_of, name_to_show
from campaign.rules.wall_batches import DELAY_HOURS, FEWEST_GIFTS, FEWEST_TOGETHER, LONGEST_WAIT, may_appear, next_hour, ready_at
from campaign.staff.audit import AuditEntry
from tests.factories import create_refund, end, paid, pay
from tests.wall import CLERK, HOUR, agree, begun, consent, entry_of, names, retained, show, shown

MOMENTS = st.integers(1_700_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        ("Jeanne", None),
        ("Famille de Sanâa", None),
        ("Class of 2026", None),
        ("St. John’s friends", None),
        ("jeanne@example.org", Flaw.EMAIL),
        ("jeanne＠example.org", Flaw.EMAIL),
        ("See www.example", Flaw.LINK),
        ("https://example", Flaw.LINK),
        ("buy.example.com now", Flaw.LINK),
        ("514 555-0199", Flaw.NUMBER),
        ("٥١٤٥٥٥٠١٩٩", Flaw.NUMBER),
        ("Jeanne Lévesque", Flaw.LAST_NAME),
        ("JEANNE LEVESQUE", Flaw.LAST_NAME),
        ("D'Arcy-Lévesque", Flaw.LAST_NAME),
        ("Arcy", Flaw.LAST_NAME),
    ],
)
def test_a_name_to_show_is_a_name_and_not_the_last_one(name: str, flaw: Flaw | None) -> None:
    assert flaw_of(name, first_name="Jeanne", last_name="D’Arcy-Lévesque") == flaw


def test_without_a_name_to_show_it_is_the_first_name_and_never_the_last() -> None:
    def named(typed: str = "", first: str = "Jeanne", last: str = "Roy", *, is_anonymous: bool = False) -> str:
        return name_to_show(typed, first_name=first, last_name=last, is_anonymous=is_anonymous)

    assert (named(), named("Jeannot"), named("Jeannot", is_anonymous=True), named(is_anonymous=True)) == ("Jeanne", "Jeannot", "", "")
    assert named(first="Jeanne Roy") == "", "both names in the field of the first"
    assert named(first="jeanne@example.org") == ""
    assert named(first="Thomas", last="Thomas") == "Thomas"
    assert named(first="", last="") == "", "an organization alone"
    assert named("Li Wei", last="Li") == "", "a short last name, in full"
    assert named("Les amis", last="Les Amis") == ""


@given(MOMENTS, st.sampled_from(DELAY_HOURS))
def test_a_gift_is_ready_on_the_hour_after_its_delay_and_waits_two_days_at_most(decided_at: datetime, hours: int) -> None:
    ready = ready_at(decided_at, delay_hours=hours)
    assert (ready.minute, ready.second, ready.microsecond) == (0, 0, 0)
    assert hours * HOUR < ready - decided_at <= (hours + 1) * HOUR
    assert ready + LONGEST_WAIT - decided_at <= timedelta(hours=48)


@given(st.lists(MOMENTS, max_size=6), MOMENTS, st.integers(0, 4))
def test_gifts_appear_in_company_or_when_one_has_waited_long(ready: list[datetime], now: datetime, already: int) -> None:
    at = next_hour(now)
    if may_appear(ready, at=at, already=already, gifts=FEWEST_GIFTS):
        assert len(ready) + already >= FEWEST_TOGETHER or any(at - moment >= LONGEST_WAIT for moment in ready)
    else:
        assert len(ready) + already < FEWEST_TOGETHER or not ready


def test_nothing_is_shown_before_staff_agree_nor_before_its_hour(campaign: Campaign) -> None:
    gift = retained(campaign)
    silent = paid(campaign)
    assert (wall_entries.find_of(silent), names(campaign)) == (None, [])
    db.session.execute(text("UPDATE wall_entry SET show_from = NULL"))
    agree(gift)
    entry = entry_of(gift)
    assert entry.decided_at and entry.ready_at and entry.ready_at - entry.decided_at > HOUR and entry.show_from is None
    assert names(campaign) == []
    show(gift, hours_ago=-1)
    assert names(campaign) == [], "its hour has not come"
    show(gift, hours_ago=0)
    assert names(campaign) == ["Jeanne"]


def test_a_decision_is_about_what_was_read_and_can_be_taken_back(campaign: Campaign) -> None:
    gift = shown(campaign)
    assert not wall_actions.decide(gift, Decision.AGREED, version=1, actor=CLERK), "it was decided already"
    assert wall_actions.decide(gift, None, version=1, actor=CLERK)
    assert (names(campaign), entry_of(gift).ready_at, entry_of(gift).show_from) == ([], None, None)
    assert wall_actions.change(gift, consent("Ana"), public_name="Ana", is_anonymous=False)
    assert not wall_actions.decide(gift, Decision.AGREED, version=1, actor=CLERK), "the donor has changed it since it was read"
    assert wall_actions.decide(gift, Decision.REFUSED, version=2, actor=CLERK)
    assert (names(campaign), wall_entries.list_waiting(campaign, limit=9)) == ([], [])
    assert wall_actions.withdraw(gift) and not wall_actions.withdraw(gift)
    assert not wall_actions.decide(gift, Decision.AGREED, version=2, actor=CLERK), "the donor has the last word"
    assert not wall_actions.change(gift, consent(), public_name="", is_anonymous=False)
    actions = [entry.action for entry in db.session.query(AuditEntry).filter_by(subject=gift.public_id).order_by(AuditEntry.id)]
    assert actions == [
        "agreed to show a gift on the wall",
        "reopened whether to show a gift on the wall",
        "changed what the wall shows of a gift",
        "refused to show a gift on the wall",
        "withdrew a gift from the wall",
    ]
    assert not db.session.scalar(text("SELECT count(*) FROM audit_entry WHERE detail::text ~ 'Jeanne|Ana'"))


def test_what_shows_less_is_changed_at_once_and_what_shows_more_is_read_first(campaign: Campaign) -> None:
    gift = shown(campaign, consent(shows_tribute=False))
    assert not wall_actions.change(gift, consent(shows_tribute=False), public_name="", is_anonymous=False), "nothing new"
    less = consent("", shows_province=False, shows_tribute=False)
    assert wall_actions.change(gift, less, public_name="", is_anonymous=True)
    assert (names(campaign), gift.anonymous) == ([""], True)
    for more in (consent("", shows_province=True, shows_tribute=False), consent("", shows_tribute=True), consent("Jeanne")):
        assert wall_actions.change(gift, more, public_name="", is_anonymous=not more.name)
        assert (names(campaign), entry_of(gift).decision) == ([], None), more
        agree(gift)
        show(gift)
        assert names(campaign) == [more.name]


def test_an_entry_of_a_gift_that_was_refused_waits_again_when_it_is_changed(campaign: Campaign) -> None:
    gift = retained(campaign)
    assert wall_actions.decide(gift, Decision.REFUSED, version=1, actor=CLERK)
    assert wall_actions.change(gift, consent(""), public_name="", is_anonymous=True)
    assert [entry.donation_id for entry, _ in wall_entries.list_waiting(campaign, limit=9)] == [gift.id]


def test_it_goes_with_the_money_and_with_the_donor(campaign: Campaign) -> None:
    refunded, partly, withdrawn, erased, lost = (shown(campaign, consent(name)) for name in ("Ana", "Bo", "Cy", "Di", "Ed"))
    assert sorted(names(campaign)) == ["Ana", "Bo", "Cy", "Di", "Ed"]
    create_refund(partly, 20_00)
    create_refund(refunded, refunded.amount_cents)
    wall_actions.withdraw(withdrawn)
    create_refund(lost, lost.amount_cents, kind=ReversalKind.DISPUTE, status="lost")
    db.session.commit()
    assert sorted(names(campaign)) == ["Bo", "Di"], "a gift that was returned in part is a gift"
    assert entry_of(withdrawn).name == ""
    assert len(person_data.all_about(erased.donor_id)["tables"]["wall_entry"]) == 1
    person, _ = erasure.get_person(erased.donor_id)
    assert erasure.erase_columns(person)["wall"] == 1  # type: ignore[index]  # its words, as in the proof
    db.session.commit()
    assert (names(campaign), entry_of(erased).name, entry_of(erased).withdrawn_at is None) == (["Bo"], "", False)
    assert "wall" not in erasure.erase_columns(person), "erasing twice finds nothing"


def test_a_payment_in_quarantine_is_not_shown(campaign: Campaign) -> None:
    gift = begun(campaign)
    pay(gift, amount_cents=gift.amount_cents - 1)
    db.session.commit()
    assert gift.quarantined_at and not wall_actions.decide(gift, Decision.AGREED, version=1, actor=CLERK)
    assert (names(campaign), wall_entries.count_waiting(campaign)) == ([], 0)


def test_a_gift_that_was_never_paid_is_not_shown_and_its_name_goes_in_time(campaign: Campaign) -> None:
    unpaid = begun(campaign)
    assert not wall_actions.decide(unpaid, Decision.AGREED, version=1, actor=CLERK)
    assert (wall_entries.list_waiting(campaign, limit=9), staff_todo.todo_of(campaign).wall) == ([], 0)
    end(unpaid, "expired")
    unpaid.ended_at = datetime.now(UTC) - timedelta(days=4000)
    db.session.commit()
    retention_jobs.erase_now()
    assert (entry_of(unpaid).name, entry_of(unpaid).withdrawn_at is not None) == ("", True)


def ready(campaign: Campaign, name: str, *, hours: int) -> Donation:
    """A gift that is agreed to and ready since so many hours."""
    gift = retained(campaign, consent(name))
    agree(gift)
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours * HOUR
    db.session.execute(update(WallEntry).where(WallEntry.donation_id == gift.id).values(decided_at=since - HOUR, ready_at=since))
    db.session.commit()
    return gift


@pytest.fixture
def others(campaign: Campaign) -> None:
    """So many gifts of others that the total does not say who gave what."""
    for number in range(FEWEST_GIFTS):
        paid(campaign, 10_00, email=f"other{number}@example.org")
    db.session.commit()


@pytest.mark.usefixtures("others")
def test_gifts_begin_to_be_shown_three_at_a_time(campaign: Campaign) -> None:
    first, second = ready(campaign, "Ana", hours=1), ready(campaign, "Bo", hours=2)
    assert (wall_jobs.begin_batches(), names(campaign)) == (0, [])
    third, later = ready(campaign, "Cy", hours=0), ready(campaign, "Di", hours=-5)
    assert wall_jobs.begin_batches() == 3
    moments = {entry_of(gift).show_from for gift in (first, second, third)}
    assert moments == {next_hour(datetime.now(UTC))} and entry_of(later).show_from is None
    assert names(campaign) == [], "they appear at the next full hour"
    fourth = ready(campaign, "Ed", hours=0)
    assert (wall_jobs.begin_batches(), entry_of(fourth).show_from) == (1, moments.pop()), "it joins those that have not appeared"


def test_of_a_campaign_with_few_gifts_none_is_shown(campaign: Campaign) -> None:
    for number in range(FEWEST_TOGETHER):
        ready(campaign, f"Ana{'abc'[number]}", hours=35)
    assert wall_jobs.begin_batches() == 0


@pytest.mark.usefixtures("others")
def test_one_that_has_waited_long_appears_without_company(campaign: Campaign) -> None:
    lonely = ready(campaign, "Ana", hours=33)
    assert wall_jobs.begin_batches() == 0
    wall_actions.withdraw(lonely)
    old = ready(campaign, "Bo", hours=35)
    refunded = ready(campaign, "Cy", hours=35)
    create_refund(refunded, refunded.amount_cents)
    db.session.commit()
    assert wall_jobs.begin_batches() == 1
    assert (entry_of(old).show_from is None, entry_of(refunded).show_from) == (False, None)


def test_the_order_says_nothing_and_pages_have_each_gift_once(campaign: Campaign) -> None:
    older = [shown(campaign, consent(f"Old {number}"), hours_ago=5) for number in range(6)]
    newer = [retained(campaign, consent(f"New {number}")) for number in range(12)]
    agree(*newer)
    show(*newer)
    found = names(campaign)
    assert {name[:3] for name in found[:12]} == {"New"} and len(found) == len(older) + len(newer)
    assert found[:12] != sorted(found[:12]) and found[:12] != sorted(found[:12], reverse=True), "at random once in 200 million times"
    assert names(campaign) == found, "the same for everybody"
    by_pages, after = list[str](), None
    while page := wall_entries.list_shown(campaign, limit=5, after=after):
        by_pages += [gift.name for gift in page]
        after = page[-1].place
    assert by_pages == found


def test_a_page_continues_although_the_gift_at_its_end_is_gone(campaign: Campaign) -> None:
    gifts = {name: shown(campaign, consent(name)) for name in ("Ana", "Bo", "Cy")}
    first, *rest = wall_entries.list_shown(campaign, limit=3)
    wall_actions.withdraw(gifts[first.name])
    assert wall_entries.list_shown(campaign, limit=3, after=first.place) == rest


@pytest.mark.parametrize(
    "values",
    [
        "decision = 'shown', decided_by = 'x', decided_at = now()",
        "decision = 'agreed', decided_by = 'x', decided_at = now()",
        "decision = 'refused', decided_at = now()",
        "ready_at = now()",
        "show_from = date_trunc('hour', now())",
        "decision = 'agreed', decided_by = 'x', decided_at = now(), ready_at = now()",
        "decision = 'agreed', decided_by = 'x', decided_at = now(), ready_at = now() + interval '2 hours', show_from = date_trunc('hour', now())",
        "decision = 'agreed', decided_by = 'x', decided_at = now(), ready_at = now() + interval '1 minute', show_from = date_trunc('hour', now()) + interval '90 minutes'",
        "name = repeat('a', 81)",
        "withdrawn_at = now()",
    ],
)
def test_the_database_refuses_what_would_be_shown_too_soon_or_undecided(campaign: Campaign, values: str) -> None:
    retained(campaign)
    with pytest.raises(IntegrityError):
        db.session.execute(text(f"UPDATE wall_entry SET {values}"))
    db.session.rollback()


def plan_of(campaign: Campaign, after: UUID | None) -> tuple[str, int]:
    """The plan of the query of a page, and the most rows that one of its steps has read."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    wall_entries.list_shown(campaign, limit=61, after=after)
    event.remove(db.engine, "before_cursor_execute", note)
    statement, parameters = asked[-1]
    lines = db.session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", parameters).scalars().all()
    plan = "\n".join(lines)
    return plan, max(int(found) for found in re.findall(r"actual rows=(\d+)", plan))


@pytest.mark.owner
def test_ten_thousand_gifts_are_no_slower_than_a_few(app: Flask, campaign: Campaign) -> None:
    gift = shown(campaign)
    columns = [one.name for one in Donation.__table__.columns if one.name not in {"id", "public_id", "attempt", "payment_intent"}]
    listed = ", ".join(columns)
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(
        text(
            f"WITH added AS (INSERT INTO donation (public_id, attempt, {listed}) SELECT 'd_' || lpad(to_hex(n), 20, '0'), 'many ' || n, {listed} "
            "FROM donation, generate_series(1, 10000) n WHERE id = :id RETURNING id) "
            "INSERT INTO wall_entry (donation_id, campaign_id, name, shows_province, shows_tribute, decision, decided_by, decided_at, ready_at, show_from) "
            "SELECT added.id, e.campaign_id, 'Ana', true, true, 'agreed', 'x', decided_at - make_interval(hours => (added.id % 999)::int), "
            "ready_at - make_interval(hours => (added.id % 999)::int), show_from - make_interval(hours => (added.id % 999)::int) "
            "FROM added, wall_entry e WHERE e.donation_id = :id"
        ),
        {"id": gift.id},
    )
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    db.session.execute(text("ANALYZE wall_entry"))
    db.session.execute(text("ANALYZE donation"))
    middle = wall_entries.list_shown(campaign, limit=5000)[-1].place
    for after in (None, middle):
        plan, rows = plan_of(campaign, after)
        assert (
            "ix_wall_entry_shown" in plan and "Seq Scan" not in plan and "Sort Key: wall_entry.show_from DESC, wall_entry.place" in plan
        ), plan
        assert rows <= 200, f"as many as a page and its batch have, not all: {rows}\n{plan}"


@pytest.mark.parametrize("name", ["Anna_Dupont", "AnnaDupont", "Anna Duponts", "Anna Duроnt", "Anna D’upont"])
def test_a_last_name_in_disguise_is_one(name: str) -> None:
    assert flaw_of(name, first_name="Anna", last_name="Dupont") is Flaw.LAST_NAME


def test_a_name_that_staff_correct_to_be_the_last_one_is_hidden(campaign: Campaign) -> None:
    gift = shown(campaign, consent("Dupont"), first_name="Dupont", last_name="Anna")
    assert names(campaign) == ["Dupont"]
    gift.first_name, gift.last_name = "Anna", "Dupont"
    db.session.commit()
    assert names(campaign) == [""]
