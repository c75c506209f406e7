"""Contributors of a fund: their parts are frozen with its terms and leave one for the lead funder, in every way in; staff add them to drafts."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from alembic import command as alembic_command
from click.testing import Result
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.cli import main
from campaign.edges.db import db
from campaign.funders import access_links, contributor_actions, contributors, final_account_jobs, final_accounts
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.reporting import search
from campaign.reporting.integrity import checker
from campaign.reporting.statements import stored
from campaign.staff.audit import AuditEntry
from campaign.texts.action_errors import ActionError, ActionRefused
from tests.factories import contribute, create_fund, paid, raise_pledge, run_concurrently
from tests.funder_payments import create_funder
from tests.mail import pdf_text
from tests.test_consistency import migration_config
from tests.web import open_page, signed_in, submit

PLEDGE = 100_00
PAGE = "/staff/funds"


@pytest.fixture
def draft(campaign: Campaign) -> Fund:
    found = create_fund(campaign, PLEDGE, position=7, active=False)
    db.session.commit()
    return found


def run(statement: str) -> None:
    db.session.execute(text(statement))
    db.session.commit()


def parts_of(fund: Fund) -> list[int]:
    db.session.rollback()
    db.session.expire_all()
    return contributors.weights_of(fund, contributors.contributors_of(fund))


def activate(fund: Fund) -> None:
    fund_lifecycle.activate(fund, actor="test", reason="test")
    db.session.commit()


def adds(fund: Fund, cents: int, name: str) -> FundContributor:
    def create() -> Funder:
        funder = Funder(name_en=name, name_fr=name)
        db.session.add(funder)
        db.session.flush()
        return funder

    return contributor_actions.add(fund, create, cents, actor="test")


def test_the_lead_funder_promises_what_contributors_leave(draft: Fund) -> None:
    one, _ = adds(draft, 30_00, "One"), adds(draft, 20_00, "Two")
    assert parts_of(draft) == [50_00, 30_00, 20_00]
    assert contributor_actions.change_part(draft, one.id, 79_99, actor="test")
    assert parts_of(draft) == [1, 79_99, 20_00]
    assert not contributor_actions.change_part(draft, one.id, 79_99, actor="test"), "it is so"
    contributor_actions.remove(draft, one.id, actor="test")
    assert parts_of(draft) == [80_00, 20_00]
    recorded = [
        (entry.action, entry.detail.get("contributor"), entry.detail.get("cents"))
        for entry in db.session.query(AuditEntry).filter_by(actor="test")
    ]
    assert recorded[-4:] == [
        ("added a contributor to a fund", "One", 30_00),
        ("added a contributor to a fund", "Two", 20_00),
        ("changed the part of a contributor", "One", 79_99),
        ("removed a contributor from a fund", "One", None),
    ]
    assert checker.findings(db.engine) == []


def test_what_does_not_fit_is_refused_with_its_reason(draft: Fund) -> None:
    one = adds(draft, 30_00, "One")
    lead = db.session.get_one(Funder, draft.funder_id)
    known = contributors.funder_of(one)
    for refusal, act in (
        (ActionError.LEAD_WITHOUT_PART, lambda: adds(draft, 70_00, "Two")),
        (ActionError.LEAD_WITHOUT_PART, lambda: contributor_actions.change_part(draft, one.id, PLEDGE, actor="test")),
        (ActionError.CONTRIBUTOR_IS_KNOWN, lambda: contributor_actions.add(draft, lambda: known, 1, actor="test")),
        (ActionError.CONTRIBUTOR_IS_KNOWN, lambda: contributor_actions.add(draft, lambda: lead, 1, actor="test")),
        (ActionError.CONTRIBUTOR_IS_REMOVED, lambda: contributor_actions.remove(draft, 0, actor="test")),
    ):
        with pytest.raises(ActionRefused) as refused:
            act()
        assert refused.value.refusal is refusal
    activate(draft)
    for act in (
        lambda: adds(draft, 1, "Two"),
        lambda: contributor_actions.change_part(draft, one.id, 1, actor="test"),
        lambda: contributor_actions.remove(draft, one.id, actor="test"),
    ):
        with pytest.raises(ActionRefused) as refused:
            act()
        assert refused.value.refusal is ActionError.FUND_IS_FROZEN
    assert parts_of(draft) == [70_00, 30_00]
    assert db.session.query(Funder).filter_by(name_en="Two").count() == 0, "nothing is left of what was refused"


FROZEN = {
    "added": "INSERT INTO fund_contributor (fund_id, funder_id, pledged_cents) SELECT {fund}, max(id), 1 FROM funder",
    "changed": "UPDATE fund_contributor SET pledged_cents = 1 WHERE fund_id = {fund}",
    "removed": "DELETE FROM fund_contributor WHERE fund_id = {fund}",
    "moved away": "UPDATE fund_contributor SET fund_id = {other} WHERE fund_id = {fund}",
    "moved there": "UPDATE fund_contributor SET fund_id = {fund} WHERE fund_id = {other}",
}


@pytest.mark.owner
@pytest.mark.parametrize("change", FROZEN)
def test_the_database_freezes_contributors_when_the_fund_is_activated(campaign: Campaign, draft: Fund, change: str) -> None:
    """While it is a draft each of these is possible, and so it is without the trigger."""
    other = create_fund(campaign, PLEDGE, position=8, active=False)
    contribute(draft, 30_00)
    contribute(other, 20_00)
    free = create_fund(campaign, PLEDGE, position=9, active=False).funder_id
    db.session.commit()
    assert free
    statement = FROZEN[change].format(fund=draft.id, other=other.id)
    db.session.execute(text(statement))
    db.session.rollback()
    activate(draft)
    with pytest.raises(IntegrityError, match="contributors_are_frozen"):
        run(statement)
    db.session.rollback()
    run("ALTER TABLE fund_contributor DISABLE TRIGGER contributors_fit_fund")
    run(statement)


WRONG = {
    "lead_has_a_part": "INSERT INTO fund_contributor (fund_id, funder_id, pledged_cents) SELECT {fund}, max(id), 10000 FROM funder",
    "lead_is_no_contributor": "INSERT INTO fund_contributor (fund_id, funder_id, pledged_cents) VALUES ({fund}, {lead}, 1)",
}


@pytest.mark.owner
@pytest.mark.parametrize("rule", WRONG)
def test_the_database_lets_parts_leave_one_for_the_lead_who_is_another_and_the_checker_knows(draft: Fund, rule: str) -> None:
    db.session.add(Funder(name_en="Other", name_fr="Autre"))
    db.session.commit()
    statement = WRONG[rule].format(fund=draft.id, lead=draft.funder_id)
    with pytest.raises(IntegrityError, match=rule):
        run(statement)
    db.session.rollback()
    run("ALTER TABLE fund_contributor DISABLE TRIGGER contributors_fit_fund")
    run(statement)
    run("ALTER TABLE fund_contributor ENABLE TRIGGER contributors_fit_fund")
    assert [finding for finding in checker.findings(db.engine) if finding.startswith("I17: the contributors of fund")]


@pytest.mark.owner
def test_the_table_of_contributors_is_never_emptied_at_once(draft: Fund) -> None:
    contribute(draft, 30_00)
    activate(draft)
    with pytest.raises(IntegrityError, match="contributors_are_frozen"):
        run("TRUNCATE fund_contributor CASCADE")
    db.session.rollback()
    run("ALTER TABLE fund_contributor DISABLE TRIGGER never_truncated")
    with pytest.raises(DatabaseError, match="append-only"):  # What refers to it is frozen too.
        run("TRUNCATE fund_contributor CASCADE")


@pytest.mark.owner
def test_no_contributor_becomes_the_lead_funder_of_a_draft(draft: Fund) -> None:
    funder_id = contribute(draft, 30_00).funder_id
    db.session.commit()
    statement = f"UPDATE fund SET funder_id = {funder_id} WHERE id = {draft.id}"
    with pytest.raises(IntegrityError, match="lead_is_no_contributor"):
        run(statement)
    db.session.rollback()
    run("ALTER TABLE fund DISABLE TRIGGER lead_is_no_contributor")
    run(statement)


def test_the_service_may_change_nothing_of_a_contributor_but_the_part(draft: Fund) -> None:
    contribute(draft, 30_00)
    db.session.commit()
    for statement in (
        "UPDATE fund_contributor SET funder_id = funder_id",
        "UPDATE fund_contributor SET fund_id = fund_id",
        "TRUNCATE fund_contributor",
    ):
        with pytest.raises(DatabaseError, match="permission denied"):
            run(statement)
        db.session.rollback()


def test_contributors_who_are_added_at_the_same_time_leave_a_part_for_the_lead(app: Flask, draft: Fund) -> None:
    fund_id = draft.id

    def add(number: int) -> None:
        with suppress(ActionRefused):
            adds(db.session.get_one(Fund, fund_id), 30_00, f"Number {number}")

    run_concurrently(app, [lambda number=number: add(number) for number in range(8)])  # type: ignore[misc]
    assert parts_of(draft) == [10_00, 30_00, 30_00, 30_00]


def test_shares_stay_the_proportions_of_the_pledge_as_it_was_activated(campaign: Campaign, draft: Fund) -> None:
    contribute(draft, 40_00)
    activate(draft)
    raise_pledge(draft, 50_00)
    assert contributors.activated_cents(draft) == PLEDGE
    assert parts_of(draft) == [60_00, 40_00]
    assert checker.findings(db.engine) == []


def test_without_contributors_the_lead_has_all(fund: Fund) -> None:
    assert parts_of(fund) == [fund.pledged_cents]


@pytest.mark.owner
def test_a_link_is_of_a_contributor_to_its_fund(draft: Fund, fund: Fund) -> None:
    contributor = contribute(draft, 30_00)
    activate(draft)
    access_links.create_link(draft, contributor=contributor, actor="test")
    db.session.commit()
    with pytest.raises(IntegrityError, match="link_is_of_contributor"):
        run(f"UPDATE access_link SET fund_id = {fund.id} WHERE funder_id = {contributor.funder_id}")
    db.session.rollback()
    run("ALTER TABLE access_link DROP CONSTRAINT link_is_of_contributor")
    run(f"UPDATE access_link SET fund_id = {fund.id} WHERE funder_id = {contributor.funder_id}")


def command(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(main.campaign, [*arguments])


def test_operators_add_change_and_remove_contributors_and_make_their_links(app: Flask, draft: Fund) -> None:
    slug = draft.slug
    added = command(app, "fund", "contributor", slug, "Acme", "--part", "40", "--name-fr", "Acmé")
    assert (added.exit_code, added.output.splitlines()) == (0, ["$60.00 by the lead funder", "$40.00 by Acme"])
    assert command(app, "fund", "contributor", slug, "Beta", "--part", "10").output.splitlines()[-1] == "$10.00 by Beta"
    assert command(app, "fund", "contributor", slug, "Acme", "--part", "30").output.splitlines()[1] == "$30.00 by Acme"
    assert command(app, "fund", "contributor", slug, "Beta", "--remove").output.splitlines() == [
        "$70.00 by the lead funder",
        "$30.00 by Acme",
    ]
    for arguments, reason in (
        (("Acme",), "either the part"),
        (("Acme", "--part", "1", "--remove"), "either the part"),
        (("Acme", "--part", "0"), "more than zero"),
        (("Acme", "--part", "100"), "less than $100.00"),
        (("Gamma", "--remove"), "has no contributor Gamma; its contributors: Acme."),
    ):
        refused = command(app, "fund", "contributor", slug, *arguments)
        assert (refused.exit_code, reason in refused.output) == (2, True), refused.output
    assert "is a draft" in command(app, "funder", "link", slug, "--contributor", "Acme").output
    activate(draft)
    assert "frozen" in command(app, "fund", "contributor", slug, "Acme", "--part", "1").output
    link = command(app, "funder", "link", slug, "--contributor", "Acme", "--revoke")
    assert (link.exit_code, "/funder/links/" in link.output) == (0, True)
    assert db.session.query(Funder).filter_by(name_en="Acme").one().name_fr == "Acmé"


def test_a_command_names_nobody_by_a_name_that_two_contributors_have(app: Flask, campaign: Campaign) -> None:
    fund = create_fund(campaign, 100_00, position=7, active=False)
    for _ in range(2):
        contribute(fund, 10_00, "Twin")
    db.session.commit()
    for arguments in (("--part", "5"), ("--remove",)):
        refused = command(app, "fund", "contributor", fund.slug, "Twin", *arguments)
        assert refused.exit_code != 0 and "several contributors called Twin" in refused.output
    db.session.rollback()
    assert [one.pledged_cents for one in contributors.contributors_of(fund)] == [10_00, 10_00]


def test_managers_add_change_and_remove_contributors_on_the_page_of_a_draft(app: Flask, campaign: Campaign, draft: Fund) -> None:
    client, path = signed_in(app, "manager"), f"{PAGE}/{draft.slug}"
    at = f"{path}/contributors"
    for wrong, field in (
        ({"contributor": "new", "contributor_en": "", "contributor_fr": "Acmé", "part": "40"}, "contributor_en"),
        ({"contributor": "x", "part": "40"}, "contributor"),
        ({"contributor": str(draft.funder_id), "part": "40"}, "contributor"),
        ({"contributor": "new", "contributor_en": "Acme", "contributor_fr": "Acmé", "part": "forty"}, "part"),
        ({"contributor": "new", "contributor_en": "Acme", "contributor_fr": "Acmé", "part": "100"}, "part"),
    ):
        answer = submit(client, open_page(client, path), at, **wrong)
        assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True), field
        assert f'value="{wrong["part"]}"' in answer.text
    added = submit(client, open_page(client, path), at, contributor="new", contributor_en="Acme", contributor_fr="Acmé", part="40")
    assert (added.status_code, parts_of(draft)) == (303, [60_00, 40_00])
    [contributor] = contributors.contributors_of(draft)
    too_much = submit(client, open_page(client, path), f"{at}/{contributor.id}", **{f"part-{contributor.id}": "100"})
    assert (too_much.status_code, f'id="part-{contributor.id}-error"' in too_much.text) == (422, True)
    changed = submit(client, open_page(client, path), f"{at}/{contributor.id}", **{f"part-{contributor.id}": "25.50"})
    assert (changed.status_code, parts_of(draft)) == (303, [74_50, 25_50])
    edit = open_page(client, f"{path}/edit")
    version = edit.text.partition('name="version" value="')[2].partition('"')[0]
    as_lead = submit(
        client,
        edit,
        f"{path}/edit",
        version=version,
        name_en="Fund",
        name_fr="Fonds",
        funder=str(contributor.funder_id),
        pledge="100",
        ratio_match="1",
        ratio_gift="1",
        position="7",
        leftover="released",
    )
    assert (as_lead.status_code, 'id="funder-error"' in as_lead.text) == (422, True)
    activate(draft)
    paid(campaign, 10_00)
    page = open_page(client, path).text
    assert "Add a contributor" not in page
    assert page.count("Acme") == 1
    late = submit(client, open_page(client, path), f"{at}/{contributor.id}/removals")
    assert (late.status_code, parts_of(draft)) == (303, [74_50, 25_50])
    assert "frozen since it was activated" in open_page(client, path).text
    raising = open_page(client, f"{path}/pledge-requests").text
    assert "the same proportion" in raising


def test_viewers_read_the_parts_and_change_none(app: Flask, draft: Fund) -> None:
    contributor = contribute(draft, 30_00, "Acme")
    db.session.commit()
    client, path = signed_in(app, "viewer"), f"{PAGE}/{draft.slug}"
    page = open_page(client, path)
    assert ("Acme" in page.text, "Add a contributor" in page.text, "Remove the contributor" in page.text) == (True, False, False)
    for at in ("contributors", f"contributors/{contributor.id}", f"contributors/{contributor.id}/removals"):
        assert submit(client, page, f"{path}/{at}", part="1").status_code == 403


def test_the_search_and_the_page_of_a_funder_lead_to_the_funds_that_they_contribute_to(app: Flask, campaign: Campaign, draft: Fund) -> None:
    acme = contribute(draft, 30_00, "Acme Foundation")
    led = create_fund(campaign, PLEDGE, position=8, funder_id=acme.funder_id)
    beta = contribute(draft, 1_00, "Beta Foundation")
    db.session.commit()
    client = signed_in(app, "manager")
    assert search.funds_of_funders([contributors.funder_of(one) for one in (acme, beta)]) == {acme.funder_id: led, beta.funder_id: draft}
    page = open_page(client, f"{PAGE}/{led.slug}/funder").text
    assert f'href="{PAGE}/{draft.slug}#contributors"' in page
    assert "contributes to other funds" not in open_page(client, f"{PAGE}/{draft.slug}/funder").text


def test_the_final_account_has_the_shares_of_all(app: Flask, campaign: Campaign, draft: Fund) -> None:
    create_funder(draft)
    contribute(draft, 25_00, "Acme")
    activate(draft)
    paid(campaign, 10_00)
    fund_lifecycle.end(draft, actor="test", reason="test")
    db.session.commit()
    page = open_page(signed_in(app, "viewer"), f"{PAGE}/{draft.slug}/final-account").text
    assert ("Acme" in page, "$25.00" in page, "$75.00" in page) == (True, True, True)
    now = datetime.now(UTC)
    shares = final_accounts.account_shares(draft, account := final_accounts.account_of(draft, now=now))
    for name in ("pledged", "matched", "called"):
        assert sum(getattr(share.sums, f"{name}_cents") for share in shares) == getattr(account, f"{name}_cents")
    assert sum(share.sums.received_cents for share in shares) == account.retained_cents
    printed = pdf_text(final_account_jobs.render_account(draft, now=now, is_test=True))
    assert ("Shares of the funders" in printed, "Acme" in printed) == (True, True)


@pytest.mark.owner
def test_a_downgrade_loses_contributors_with_what_is_theirs_and_nothing_of_the_lead(app: Flask, draft: Fund) -> None:
    contributor = contribute(draft, 30_00)
    activate(draft)
    fund_id = draft.id
    for one in (None, contributor):
        access_links.create_link(draft, contributor=one, actor="test")
        stored.store_document(draft, "2026-11", "en", one, b"a document")
    db.session.commit()
    db.session.remove()
    with db.engine.connect() as connection:
        alembic_command.downgrade(migration_config(connection), "fund_contributors-1")
        of_lead = (
            "SELECT (SELECT count(*) FROM access_link WHERE fund_id = :id), (SELECT count(*) FROM statement_document WHERE fund_id = :id)"
        )
        assert tuple(connection.execute(text(of_lead), {"id": fund_id}).one()) == (1, 1)
        connection.commit()
        alembic_command.upgrade(migration_config(connection), "head")
    assert checker.findings(db.engine) == []
