"""Raising the pledge of an active fund takes two people, in every way in: operations, commands, pages and SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.cli import main
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle, pledge_actions, pledge_requests
from campaign.matching.fund_lifecycle import FundChangeRefused
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.reporting import staff_todo
from campaign.reporting.integrity import checker
from campaign.staff import members, two_people
from campaign.staff.audit import AuditEntry
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.conftest import Copied, Post
from tests.factories import another_campaign, create_fund, create_pledgers, paid, raise_pledge, run_concurrently
from tests.mail import text_of

ONE, TWO = "asks@pledges.example.org", "agrees@pledges.example.org"
PLEDGED = 50_000_00
ENTRY = "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, reference, cause) SELECT 'pledge', 'outside', 'available', "
POSTED = "'pledge:sanaa-richard:' || id, 'change:' || id FROM fund_change WHERE pledge_request_id = 1"


@pytest.fixture(autouse=True)
def pledgers(app: Flask) -> None:
    create_pledgers()


def run(sql: str) -> None:
    db.session.execute(text(sql))


def pledged_cents() -> int:
    db.session.rollback()
    return db.session.scalars(select(Fund.pledged_cents).where(Fund.id == 1)).one()


def found_by_checker() -> list[str]:
    return [finding for finding in checker.findings(db.engine) if finding.startswith("I22")]


@contextmanager
def without_trigger(table: str, name: str) -> Iterator[None]:
    run(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    yield
    run(f"ALTER TABLE {table} ENABLE TRIGGER {name}")


def request_of(fund: Fund, cents: int = 100, *, decision: str = "") -> int:
    """A request of this fund, decided by another person if so."""
    request = pledge_requests.create(fund, cents, actor=ONE, reason="r")
    if decision:
        two_people.decide(request, agrees=decision == "agreed", actor=TWO)
    db.session.commit()
    return request.id


def test_two_members_raise_a_pledge_and_gifts_that_wait_are_matched(campaign: Campaign) -> None:
    own = another_campaign(10_00, like=campaign)
    donation = paid(own, 30_00)
    fund = db.session.query(Fund).filter_by(campaign_id=own.id).one()
    request = pledge_actions.request_raise(fund, 15_00, actor=f" {ONE.upper()} ", reason="a second promise")
    db.session.refresh(fund)
    assert (fund.pledged_cents, match_of(donation.id).matched_cents, staff_todo.todo_of(own).pledges) == (10_00, 10_00, 1)
    pledge_actions.decide_raise(request, agrees=True, actor=TWO)
    assert (fund.pledged_cents, match_of(donation.id).matched_cents, staff_todo.todo_of(own).pledges) == (25_00, 25_00, 0)
    last = fund_lifecycle.changes_of(fund)[-1]
    assert (last.kind, last.cents, last.actor, last.reason, last.pledge_request_id) == (
        "pledged",
        15_00,
        TWO,
        "a second promise",
        request.id,
    )
    acts = db.session.query(AuditEntry).filter_by(subject=fund.slug).order_by(AuditEntry.id)
    assert [(act.actor, act.action) for act in acts][-3:] == [
        (ONE, "asked to raise a pledge"),
        (TWO, "agreed to raise a pledge"),
        (TWO, "pledged fund"),
    ]
    assert checker.findings(db.engine) == []


def test_only_a_second_active_manager_can_agree(fund: Fund) -> None:
    members.add_staff("viewer@example.org", "viewer").password = "a hash"
    members.add_staff("invited@example.org", "manager")
    gone = members.add_staff("gone@example.org", "manager")
    gone.password, gone.active = "a hash", False
    request = pledge_actions.request_raise(fund, 100, actor=ONE, reason="r")
    for actor in (ONE, ONE.upper(), f"  {ONE} ", "nobody@example.org", "viewer@example.org", "invited@example.org", "gone@example.org", ""):
        with pytest.raises(ActionRefused) as error:
            pledge_actions.decide_raise(request, agrees=True, actor=actor)
        is_own = actor.strip().casefold() == ONE
        assert error.value.refusal is (ActionError.ANOTHER_PERSON if is_own else ActionError.NOT_A_MANAGER), actor
        assert pledged_cents() == PLEDGED
    pledge_actions.decide_raise(request, agrees=True, actor=TWO)
    assert pledged_cents() == PLEDGED + 100, "control: a second manager can"


@pytest.mark.parametrize("change", ["add", "role", "reactivate"])
def test_nobody_appoints_the_second_person_for_it(fund: Fund, change: str) -> None:
    """Somebody who manages members could otherwise be both people within a minute."""
    request = pledge_actions.request_raise(fund, 100, actor=ONE, reason="r")
    appointed = members.find_member(TWO) if change != "add" else members.add_staff("new@example.org", "manager")
    assert appointed
    appointed.password = "a hash"
    if change == "role":
        members.change_role(appointed, "viewer")
        members.change_role(appointed, "manager")
    elif change == "reactivate":
        members.deactivate(appointed)
        members.reactivate(appointed)
    db.session.commit()
    with pytest.raises(ActionRefused) as error:
        pledge_actions.decide_raise(request, agrees=True, actor=appointed.email)
    assert error.value.refusal is ActionError.NEW_MANAGER
    pledge_actions.decide_raise(request, agrees=False, actor=appointed.email)
    with pytest.raises(ActionRefused) as error:
        pledge_actions.request_raise(fund, 100, actor=appointed.email, reason="r")
    assert (error.value.refusal, pledged_cents()) == (ActionError.NEW_MANAGER, PLEDGED)


def test_a_request_is_withdrawn_refused_and_decided_once(fund: Fund) -> None:
    for actor in (ONE, TWO):
        request = pledge_actions.request_raise(fund, 100, actor=ONE, reason="r")
        with pytest.raises(ActionRefused) as error:
            pledge_actions.request_raise(fund, 200, actor=TWO, reason="r")
        assert error.value.refusal is ActionError.PLEDGE_IS_REQUESTED
        pledge_actions.decide_raise(request, agrees=False, actor=actor)
        with pytest.raises(ActionRefused) as error:
            pledge_actions.decide_raise(request, agrees=True, actor=TWO)
        assert error.value.refusal is ActionError.PLEDGE_IS_DECIDED
    assert pledged_cents() == PLEDGED
    request = pledge_actions.request_raise(fund, 100, actor=ONE, reason="r")
    fund_lifecycle.end(fund, actor=ONE, reason="over")
    db.session.commit()
    for attempt in (
        lambda: pledge_actions.decide_raise(request, agrees=True, actor=TWO),
        lambda: pledge_actions.request_raise(fund, 100, actor=ONE, reason="r"),
    ):
        with pytest.raises(ActionRefused) as error:
            attempt()
        assert error.value.refusal is ActionError.FUND_HAS_ENDED


def test_of_two_who_agree_or_ask_at_the_same_time_one_is_heeded(app: Flask, fund: Fund) -> None:
    fund_id = fund.id

    def attempt(agrees: bool) -> str:
        fund = db.session.get_one(Fund, fund_id)
        try:
            if agrees:
                request = pledge_requests.get(1)
                assert request
                pledge_actions.decide_raise(request, agrees=True, actor=TWO)
            else:
                pledge_actions.request_raise(fund, 100, actor=ONE, reason="r")
        except ActionRefused as error:
            return error.refusal.value
        return "done"

    db.session.commit()
    assert sorted(run_concurrently(app, [lambda: attempt(False)] * 2)) == ["done", "pledge is requested"]
    assert sorted(run_concurrently(app, [lambda: attempt(True)] * 2)) == ["done", "pledge is decided"]
    assert pledged_cents() == PLEDGED + 100


def test_a_draft_may_be_pledged_by_one_person_and_no_longer_once_it_is_active(campaign: Campaign) -> None:
    draft = create_fund(campaign, 0, position=2, active=False)
    fund_lifecycle.raise_draft_pledge(draft, 100, actor="one", reason="r")
    with pytest.raises(ActionRefused) as error:
        pledge_actions.request_raise(draft, 100, actor=ONE, reason="r")
    assert error.value.refusal is ActionError.FUND_IS_DRAFT
    draft = create_fund(campaign, 100, position=2, active=False)
    fund_lifecycle.activate(draft, actor="one", reason="r")
    with pytest.raises(FundChangeRefused, match="takes two people"):
        fund_lifecycle.raise_draft_pledge(draft, 100, actor="one", reason="r")
    assert draft.pledged_cents == 100
    db.session.commit()
    assert found_by_checker() == []


AGREED = {"cents": "100", "actor": f"'{TWO}'", "reason": "'r'", "pledge_request_id": "1", "predates_requests": "false"}


def change_sql(**other: str) -> str:
    """The change that two people agreed on, or one that differs in these columns."""
    row = {**AGREED, **other}
    return f"INSERT INTO fund_change (fund_id, kind, {', '.join(row)}) VALUES (1, 'pledged', {', '.join(row.values())})"


@pytest.mark.parametrize("decision", ["", "refused", "agreed"])
def test_the_database_refuses_a_change_that_raises_an_active_pledge_by_one_person(campaign: Campaign, fund: Fund, decision: str) -> None:
    assert request_of(fund, decision=decision) == 1
    assert request_of(create_fund(campaign, 100, position=2), decision="agreed") == 2
    differing = (
        {"pledge_request_id": "NULL"},
        {"pledge_request_id": "2"},
        {"pledge_request_id": "NULL", "predates_requests": "true"},
        {"predates_requests": "true"},
        {"cents": "101"},
        {"actor": f"'{ONE}'"},
        {"reason": "'another'"},
    )
    for other in (*differing, *(({},) if decision != "agreed" else ())):
        with pytest.raises(IntegrityError, match="two_people_raise"), db.session.begin_nested():
            run(change_sql(**other))
    if decision == "agreed":
        run(change_sql())  # Control: what two people agreed on, once.
        with pytest.raises(IntegrityError, match="request_raises_once"):
            run(change_sql())


def test_the_database_refuses_a_raise_that_is_not_yet_agreed_by_our_own_operation(fund: Fund) -> None:
    request = pledge_requests.create(fund, 100, actor=ONE, reason="r")
    db.session.expunge(request)
    request.decided_by = TWO  # The operation reads it; the row says that nobody decided.
    with pytest.raises(IntegrityError, match="two_people_raise"):
        fund_lifecycle.raise_agreed_pledge(fund, request)


def test_the_database_refuses_a_pledge_without_its_change(campaign: Campaign, fund: Fund) -> None:
    late = create_fund(campaign, 0, position=2, active=False)
    run(f"INSERT INTO fund_change (fund_id, kind, cents, actor, reason) VALUES ({late.id}, 'pledged', 700, 'one', 'not posted')")
    of_draft = (
        ENTRY + f"cents, {campaign.id}, {late.id}, 'pledge:{late.slug}:' || id, 'change:' || id "
        f"FROM fund_change WHERE fund_id = {late.id} AND kind = 'pledged'"
    )
    with db.session.begin_nested() as control:
        run(of_draft)
        control.rollback()
    fund_lifecycle.activate(late, actor="one", reason="r")
    request_of(fund, decision="agreed")
    run(change_sql())
    for entry in (
        ENTRY + "100, 1, 1, 'a bare pledge', 'by hand'",
        ENTRY + "101, 1, 1, " + POSTED,
        ENTRY + "100, 1, 1, " + POSTED.replace("'pledge:", "'again:"),
        ENTRY + "100, 1, 1, " + POSTED.replace("'change:", "'other:"),
        of_draft,
    ):
        with pytest.raises(IntegrityError, match="pledge_is_a_change"), db.session.begin_nested():
            run(entry)
    run(ENTRY + "100, 1, 1, " + POSTED)  # Control: what two people agreed on, once.
    with pytest.raises(IntegrityError, match="ledger_entry_reference_is_unique"):
        run(ENTRY + "100, 1, 1, " + POSTED)


def test_the_database_refuses_a_request_that_is_not_by_two_members(fund: Fund) -> None:
    request_of(fund)
    for values, guard in (
        (f"100, '{ONE}', '{ONE}', 'agreed', now()", "two_people_raise"),
        (f"100, '{ONE}', '{TWO}', NULL, now()", "pledge_decision_is_complete"),
        (f"100, '{ONE}', '{TWO}', 'agreed', NULL", "pledge_decision_is_complete"),
        (f"100, '{ONE}', '{TWO}', 'perhaps', now()", "decision_on_pledge_is_known"),
        (f"0, '{ONE}', NULL, NULL, NULL", "requested_raise_is_positive"),
        (f"100, '{ONE}', 'nobody', 'agreed', now()", "decided_by_exists"),
        (f"100, 'nobody', '{TWO}', 'refused', now()", "requested_by_exists"),
        (f"100, '{TWO}', NULL, NULL, NULL", "one_open_pledge_request"),
    ):
        columns = "fund_id, reason, cents, requested_by, decided_by, decision, decided_at"
        with pytest.raises(IntegrityError, match=guard), db.session.begin_nested():
            run(f"INSERT INTO pledge_request ({columns}) VALUES (1, 'r', {values})")


def test_one_address_in_other_letters_is_one_person_to_the_database(fund: Fund) -> None:
    members.add_staff(f"{ONE.upper()} ", "manager")
    with pytest.raises(IntegrityError, match="two_people_raise"):
        two_people.decide(pledge_requests.create(fund, 1, actor=ONE, reason="r"), agrees=True, actor=f"{ONE.upper()} ")


@pytest.mark.owner
def test_a_request_changes_by_its_decision_alone_and_then_never(fund: Fund) -> None:
    request_of(fund)
    forbidden = (
        "UPDATE pledge_request SET cents = 10000000",
        "UPDATE pledge_request SET fund_id = 2",
        f"UPDATE pledge_request SET requested_by = '{TWO}'",
        "UPDATE pledge_request SET reason = 'another'",
        "UPDATE pledge_request SET requested_at = now() - interval '1 day'",
        "UPDATE pledge_request SET id = id + 1",
        "DELETE FROM pledge_request",
        "TRUNCATE pledge_request CASCADE",
    )
    for decision in ("refused", "agreed"):
        for change in forbidden:
            with pytest.raises(DatabaseError, match="append-only"), db.session.begin_nested():
                run(change)
        decide = f"UPDATE pledge_request SET decision = '{decision}', decided_by = '{TWO}', decided_at = now()"
        if decision == "refused":
            run(decide)
        else:
            with pytest.raises(DatabaseError, match="append-only"):
                run(decide)


TAMPERED = [
    "UPDATE pledge_request SET requested_by = upper(decided_by)",
    "UPDATE pledge_request SET decision = 'refused'",
    "UPDATE pledge_request SET cents = cents + 1",
    "UPDATE fund_change SET pledge_request_id = NULL",
    "UPDATE fund_change SET predates_requests = true, pledge_request_id = NULL WHERE pledge_request_id IS NOT NULL",
]


@pytest.mark.owner
def test_the_checker_finds_a_raise_that_two_people_did_not_agree_on(fund: Fund, copied: Copied) -> None:
    raise_pledge(fund, 100)
    assert checker.findings(db.engine) == []
    for tampering in TAMPERED:
        with copied():
            run("SET session_replication_role = replica")
            run("ALTER TABLE pledge_request DROP CONSTRAINT two_people_raise")
            run(tampering)
            run("SET session_replication_role = origin")
            db.session.commit()
            found = found_by_checker()
            assert "I22: change 3 of fund sanaa-richard raises its pledge without the agreement of two people." in found, tampering


@pytest.mark.owner
def test_without_the_guards_one_person_raises_a_pledge_and_the_checker_finds_it(fund: Fund) -> None:
    with without_trigger("fund_change", "raised_by_two_people"), without_trigger("ledger_entry", "pledged_by_change"):
        run("INSERT INTO fund_change (fund_id, kind, cents, actor, reason) VALUES (1, 'pledged', 100, 'one', 'r')")
        run(ENTRY + "100, 1, 1, 'a pledge', 'by hand'")
    db.session.commit()
    assert pledged_cents() == PLEDGED + 100
    assert len(found_by_checker()) == 1


@pytest.mark.owner
def test_the_request_is_in_the_hash_of_the_change(fund: Fund) -> None:
    raise_pledge(fund, 100)
    other = request_of(fund, decision="agreed")
    run("SET session_replication_role = replica")
    run(f"UPDATE fund_change SET pledge_request_id = {other} WHERE pledge_request_id IS NOT NULL")
    run("SET session_replication_role = origin")
    db.session.commit()
    assert "I20: the chain of the changes of fund sanaa-richard breaks at 3." in checker.findings(db.engine)


def fund_command(app: Flask, *arguments: str) -> Result:
    result = app.test_cli_runner().invoke(main.campaign, ["fund", *arguments], standalone_mode=False)
    db.session.expire_all()
    return result


def test_on_the_command_line_two_named_members_raise_a_pledge(app: Flask, fund: Fund) -> None:
    ask = ("pledge", "sanaa-richard", "1,000", "--reason", "a second promise")
    assert "command line is not an active manager" in str(fund_command(app, *ask).exception)
    assert "the chair is not an active manager" in str(fund_command(app, *ask, "--by", "the chair").exception)
    assert "Nobody asks" in str(fund_command(app, "agree-pledge", "sanaa-richard", "--by", TWO).exception)
    asked = fund_command(app, *ask, "--by", ONE).output
    assert "campaign fund agree-pledge sanaa-richard --by ADDRESS" in asked
    assert "Nothing is raised yet" in asked
    assert f"$1,000.00 more asked for by {ONE}: a second promise" in fund_command(app, "list").output
    assert "already asked" in str(fund_command(app, *ask, "--by", TWO).exception)
    for by, part in ((ONE, "cannot approve your own"), ("the chair", "the chair is not an active manager")):
        assert part in str(fund_command(app, "agree-pledge", "sanaa-richard", "--by", by).exception)
    assert pledged_cents() == PLEDGED
    agreed = fund_command(app, "agree-pledge", "sanaa-richard", "--by", TWO).output
    assert agreed == "sanaa-richard: active, $51,000.00 left of $51,000.00.\n"
    fund_command(app, *ask, "--by", ONE)
    assert fund_command(app, "refuse-pledge", "sanaa-richard", "--by", ONE).output == "sanaa-richard: its pledge stays at $51,000.00.\n"


def test_both_members_and_all_managers_are_notified_of_a_request_and_of_the_decision(fund: Fund, post: Post) -> None:
    for role in ("viewer", "admin"):
        members.add_staff(f"{role}@notified.example.org", role).password = "a hash"
    request = pledge_actions.request_raise(fund, 1_000_00, actor=ONE, reason="a second promise")
    send_jobs.send_due()
    asker = members.find_member(ONE)
    assert asker
    members.change_role(asker, "viewer")  # Whoever is named is notified, whatever their role is by then.
    asker.role_since = datetime.now(UTC) - timedelta(days=2)
    pledge_actions.decide_raise(request, agrees=True, actor=TWO)
    send_jobs.send_due()
    mails = list(post.box.newest(10))
    for address in (ONE, TWO, "admin@notified.example.org"):
        decided, requested = (mail for _, to, mail, _ in mails if to == [address])
        assert f"{ONE} asks to raise the pledge of the fund Fonds Sanâa and Richard by $1,000.00: a second promise" in text_of(requested)
        assert f"{ONE} demande que la promesse du fonds" in text_of(requested)
        assert f"{TWO} agreed to what {ONE} asked for" in text_of(decided)
        assert "/staff/funds" in text_of(requested)
    assert not [to for _, to, _, _ in mails if to == ["viewer@notified.example.org"]]
