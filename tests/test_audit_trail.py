"""The audit trail of staff: every action and detail has words in both languages, what is shown, filtered and linked, and that nothing changes it."""

import ast
import fnmatch
import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, text
from sqlalchemy.exc import DBAPIError

from campaign.campaigns.campaigns import Campaign
from campaign.donations.declarations import How
from campaign.donations.donors import ANNUAL, PER_DONATION
from campaign.edges.db import db
from campaign.funders.payment_requests import PaymentChange
from campaign.matching.funds import Fund
from campaign.receipts import receipt_actions
from campaign.receipts.information_returns import FilingMethod
from campaign.recurring.contacts import Scope
from campaign.reporting import audit_trail
from campaign.reporting.month_checks import MonthCheck
from campaign.rules.journal import Purpose
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind
from campaign.staff import audit
from campaign.staff.members import ROLES
from campaign.texts import actors, audit_details, audit_entries
from campaign.texts.catalogue import translator
from campaign.web.staff.halfway import Factor
from tests.factories import confirm_charity, issue_receipt, paid, today
from tests.sheets import read_workbook
from tests.web import CORRECTED, open_page, signed_in
from tools.architecture import source_files

PAGE = "/staff/audit"


def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in source_files()}


def recorded_calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
            yield node


def actions_of(node: ast.expr, tree: ast.Module, everywhere: dict[str, set[str]]) -> set[str]:
    """The actions that an expression may be: texts, with an asterisk for what is filled in."""
    match node:
        case ast.Constant(value=str(value)):
            return {value}
        case ast.IfExp(body=body, orelse=orelse):
            return actions_of(body, tree, everywhere) | actions_of(orelse, tree, everywhere)
        case ast.JoinedStr(values=parts):
            return {"".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)}
        case ast.Attribute(attr=name):
            return everywhere.get(name, set())
        case ast.Subscript(value=ast.Name(id=name)):
            return everywhere.get(name, set())
        case ast.Name(id=name):
            return _of_name(name, tree, everywhere)
    return set()


def _of_name(name: str, tree: ast.Module, everywhere: dict[str, set[str]]) -> set[str]:
    """Of a constant, of what is assigned to the name, or of what functions with a parameter of that name are called with."""
    found = set(everywhere.get(name, set()))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            found |= actions_of(node.value, tree, everywhere)
        if isinstance(node, ast.FunctionDef) and name in (parameters := [one.arg for one in node.args.args]):
            calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and ast.unparse(call.func) == node.name]
            place = parameters.index(name)
            passed = [call.args[place] for call in calls if len(call.args) > place]
            found |= {action for one in passed for action in actions_of(one, tree, everywhere)}
        if isinstance(node, ast.FunctionDef) and name in [one.arg for one in node.args.kwonlyargs]:
            calls = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and ast.unparse(call.func) == node.name]
            named = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == name]
            found |= {action for one in named for action in actions_of(one, tree, everywhere)}
    return found


def constants() -> dict[str, set[str]]:
    """The texts of constants of the code, by their names."""
    found: dict[str, set[str]] = {}
    for tree in trees().values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
                values = [node.value] if isinstance(node.value, ast.Constant) else getattr(node.value, "values", [])
                texts = {one.value for one in values if isinstance(one, ast.Constant) and isinstance(one.value, str)}
                found.setdefault(node.targets[0].id, set()).update(texts)
    return found


def test_every_action_and_detail_that_is_recorded_anywhere_has_words_in_both_languages() -> None:
    everywhere, missing, used, details = constants(), [], set(), set()
    for path, tree in trees().items():
        for call in recorded_calls(tree):
            actions = actions_of(call.args[1], tree, everywhere)
            known = {action: fnmatch.filter(audit_entries.ACTIONS, action) for action in actions}
            missing += [f"{path.name}: {action}" for action, found in known.items() if not found]
            missing += [] if actions else [f"{path.name}:{call.lineno}: which action is it?"]
            used |= {one for found in known.values() for one in found}
            details |= {keyword.arg for keyword in call.keywords if keyword.arg}
    assert missing == []
    assert set(audit_entries.ACTIONS) - used == set(), "words for what nobody records"
    assert details - set(audit_details.DETAILS) - audit_details.HIDDEN == set()
    words = [
        *audit_details.DOCUMENTS.values(),
        *audit_entries.ACTIONS.values(),
        *actors.ACTORS.values(),
        *audit_details.DETAILS.values(),
    ]
    same = {"Document", "Page", "Sessions"}  # Words that may be the same in French.
    assert [word for word in words if translator("fr").gettext(word) == word and word not in same] == []

    assert set(audit_entries.ACTIONS) >= audit_entries.ABOUT_MEMBERS


SUBJECTS = {
    "d_": (
        "corrected",
        "requested",
        "recorded a d",
        "recorded an o",
        "undid",
        "reversed",
        "chose r",
        "completed",
        "confirmed an",
        "checkout",
    ),
    "2026-000042": ("posted", "took back", "asked to void", "agreed to void", "refused to void", "withdrew", "replaced"),
    "sanaa-richard": ("fund", "pledge", "payment", "money", "return of money"),
    "view 7": ("view",),
    "guard 3": ("guard",),
    "deposit 4": ("deposit",),
    "information return 5": ("information return",),
    "2026-10": ("a month",),
    "2026": ("exported",),
    "2026-01-01 – 2026-02-01": ("sent an export",),
    "t3010 2026-12-31": ("a filed return",),
    "donor 6": ("two donors",),
    "receipt:d_00000000000000000000": ("e-mail", "bounce"),
    "evt_1Ab": ("event",),
    "pi_1Ab": ("alert", "quarantine"),
    "key 0a1b2c3d": ("by a key",),
}
# Each detail as it is recorded somewhere, with every value of those that are chosen from a list.
RECORDED: dict[str, list[object]] = {
    "scope": [*Scope],
    "how": [*How, *FilingMethod],
    "method": [*OfflineMethod],
    "kind": [*OfflineReversalKind],
    "change": [*PaymentChange],
    "choice": [ANNUAL, PER_DONATION],
    "factor": [*Factor, "password"],
    "role": [*ROLES],
    "document": [*(f"{name} (XLSX)" for name in audit_details.DOCUMENTS), "draft of an information return (PDF, agency, fr)"],
    "fields": [[*CORRECTED, "address_line2", "in_own_name", "legal_name", "is_registered_charity", "registration_number", "language"]],
    "filters": [
        {"q": True, "state": "partially_refunded", "match": "none", "method": "bank_transfer", "from": "2026-01-01"},
        ["bob@example.org"],
    ],
    "open": [{check.value: 2 for check in MonthCheck}],
    "on": ["2026-11-28"],
    "filed_on": ["2026-11-28"],
    "received_on": ["2026-11-28"],
    "type": ["charge.dispute.funds_withdrawn"],
    "error": ["KeyError: no_such"],
    "sha256": ["0a1b"],
    "figures": [{"undeposited_closing": [0, 1]}],
}
CHANGED: list[dict[str, Any]] = [
    {purpose.value: {"before": {"code": "1"}, "after": {"code": "2", "tax_code": "E"}} for purpose in Purpose},
    {
        "before": {
            "series": "yearly",
            "signature": None,
            "bilingual_receipts": False,
            "awaited_gifts_as": "receipted",
            "address": ["1 Main"],
        },
        "after": {
            "series": "continuous",
            "signature": "0a" * 32,
            "bilingual_receipts": True,
            "awaited_gifts_as": "unreceipted",
            "address": ["2 Main", "Laval"],
            "fiscal_year_end": "03-31",
            "signatory_title_en": "Chair",
            "privacy_officer": "p@example.org",
        },
    },
    {"before": {"name": "A", "is_shared": False}, "after": {"name": "B", "is_shared": True}},
    {"before": {"role": "viewer"}, "after": {"role": "admin"}},
]


def test_an_entry_of_each_action_is_in_words_in_both_languages(
    app: Flask, campaign: Campaign, fund: Fund, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No brace, code, digest or number of a row is on the page, and each English detail is another one in French."""
    donation = paid(campaign, first_name="Zoé", last_name="Roy")
    for action in audit_entries.ACTIONS:
        subject = next((one for one, words in SUBJECTS.items() if any(word in action for word in words)), "bob@example.org")
        audit.record("anne@example.org", action, donation.public_id if subject == "d_" else subject)
    for name in audit_details.DETAILS.keys() | RECORDED.keys():
        for value in RECORDED.get(name, [1_00 if name.endswith("cents") else True if name.startswith(("is_", "has_")) else 3]):
            audit.record("anne@example.org", "exported", "2026", **{name: value})
    for detail in CHANGED:
        audit.record("anne@example.org", "changed the accounts of the journal", campaign.charity.legal_name, **detail)
    db.session.commit()
    monkeypatch.setattr(audit_trail, "PAGE_SIZE", 1000)
    client, rows = signed_in(app, "admin"), dict[str, list[str]]()
    for language in ("en", "fr"):
        page = open_page(client, f"{PAGE}?lang={language}&actor=anne@example.org").text
        table = page.partition("<tbody>")[2].partition("</tbody>")[0]
        rows[language] = [html.unescape(re.sub(r"<[^>]+>", "\n", row)) for row in table.split("<tr>")[1:]]
        wrong = [row for row in rows[language] if re.search(r"[{}\[\]]|[a-z0-9]_[A-Za-z0-9]|\b[0-9a-f]{16,}|\bNone\b|\bTrue\b", row)]
        assert wrong == []
        assert ("gift of Zoé Roy" if language == "en" else "don (Zoé Roy)") in "".join(rows[language])
        links = set(re.findall(r'href="([^"]+)"', table))
        assert "/staff/receipts/2026" not in links and {"/staff/offline-gifts/deposits/4", "/staff/money/months/2026-10"} <= links
    english, french = (
        {line.strip() for row in rows[language] for line in row.split("\n") if " " in line.strip()} for language in ("en", "fr")
    )
    assert {line for line in english & french if re.search(r"[a-z]{3}", line)} == {campaign.charity.legal_name, "1 Main →", "2 Main, Laval"}


def test_ways_in_and_rights_of_members_are_for_administrators_and_themselves(app: Flask, campaign: Campaign) -> None:
    for email in ("member@example.org", "other@example.org"):
        audit.record(email, "failed to sign in", email, factor="passkey")
    audit.record("other@example.org", "requested a refund", "d_x", reason="asked")
    db.session.commit()
    for role, number in (("viewer", 1), ("admin", 2)):
        client = signed_in(app, role, address="member@example.org" if role != "admin" else "admin@example.org")
        page = open_page(client, f"{PAGE}?action=failed+to+sign+in").text
        assert page.count("<span>failed to sign in") == number, role
        assert '<option value="other@example.org">' not in page, "who is no member cannot be chosen"
        assert "<span>other@example.org</span>" in open_page(client, f"{PAGE}?action=requested+a+refund").text, "who did what to a gift"
        db.session.rollback()
    admin = open_page(client, f"{PAGE}.xlsx?action=failed+to+sign+in")
    assert [row[2] for row in read_workbook(admin.data)["Audit trail"][1:] if row[0]] == ["other@example.org", "member@example.org"]


def test_the_page_says_who_did_what_when_and_why_and_from_what_to_what(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    donation = paid(campaign, last_name="Roy")
    receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    changed = {**CORRECTED, "address_line2": "", "province": "QC", "postal_code": "H7A 1A1"}
    receipt_actions.correct_details(donation, changed, actor="anne@example.org", reason="They <moved>", is_same_donor=True)
    audit.record("command line", "pledged fund", "a-fund", cents=1_234_56, reason="a call")
    audit.record("bob@example.org", "something new", "d_none", is_shared=True, odd_detail=3)
    db.session.commit()
    page = open_page(signed_in(app, "viewer"), PAGE).text
    for shown in (
        "anne@example.org",
        "corrected a name or address",
        "They &lt;moved&gt;",
        "→ <strong>Laval</strong>",
        "$1,234.56",
        "something new",
    ):
        assert shown in page, shown
    assert f'href="/staff/donations/{donation.public_id}"' in page
    french = open_page(signed_in(app, "viewer"), f"{PAGE}?lang=fr").text
    assert ("a corrigé un nom ou une adresse" in french, "1\u00a0234,56\u00a0$" in french) == (True, True)
    exported = open_page(signed_in(app, "manager", address="m@example.org"), f"{PAGE}.csv?actor=anne@example.org").data.decode("utf-8-sig")
    assert ("They <moved>" in exported, "→ Laval" in exported, "pledge" in exported) == (True, True, False)


@pytest.mark.owner
def test_entries_are_filtered_by_member_action_subject_and_day_and_pages_continue(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(app, "admin")
    for number in range(5):
        audit.record("anne@example.org", "requested a refund", f"d_{number:020d}", reason=f"reason {number}")
    audit.record("bob@example.org", "signed in", "bob@example.org").at = func.now() - timedelta(days=3)
    db.session.commit()

    def shown(query: str) -> list[str]:
        page = open_page(client, f"{PAGE}?{query}").text
        return [f"{number}" for number in range(5) if f"reason {number}" in page] + (
            ["bob"] if "<span>bob@example.org</span>" in page else []
        )

    assert shown("actor=anne@example.org") == ["0", "1", "2", "3", "4"]
    assert shown("action=signed+in") == ["bob"]
    assert shown(f"subject=d_{1:020d}&subject=d_{3:020d}") == ["1", "3"]
    assert shown(f"from={today()}&action=signed+in") == []
    assert shown(f"to={today() - timedelta(days=1)}") == ["bob"]
    assert "Please write a day" in open_page(client, f"{PAGE}?from=tomorrow&before=x&after=-1").text
    assert "Nothing like this is recorded." in open_page(client, f"{PAGE}?actor=nobody").text
    monkeypatch.setattr(audit_trail, "PAGE_SIZE", 2)
    first = open_page(client, f"{PAGE}?action=requested+a+refund").text
    older = first.split('rel="next"')[0].rpartition('href="')[2].rstrip('" ').replace("&amp;", "&")
    assert shown(older.partition("?")[2]) == ["1", "2"]


def test_pages_of_objects_link_their_history(app: Flask, campaign: Campaign) -> None:
    confirm_charity()
    donation = paid(campaign)
    receipt = issue_receipt(donation)
    db.session.commit()
    assert receipt
    client = signed_in(app, "admin")
    links = {
        f"/staff/donations/{donation.public_id}": f"subject={donation.public_id}&amp;subject=pi_{donation.public_id}&amp;subject={receipt.serial}",
        f"/staff/donors/{donation.donor_id}": f"subject=donor+{donation.donor_id}&amp;subject={donation.public_id}&amp;subject={receipt.serial}",
        f"/staff/receipts/{receipt.serial}": f"subject={receipt.serial}",
        "/staff/funds/sanaa-richard/payments": "subject=sanaa-richard",
        "/staff/members": "actor=member@example.org",
    }
    assert [path for path, link in links.items() if f'href="{PAGE}?{link}"' not in open_page(client, path).text] == []


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry CASCADE"])
def test_the_service_can_neither_change_nor_delete_an_entry(app: Flask, statement: str) -> None:
    audit.record("anne@example.org", "signed in", "anne@example.org")
    db.session.commit()
    with pytest.raises(DBAPIError, match=r"permission denied|append-only"):
        db.session.execute(text(statement))
    db.session.rollback()
