"""The section of a fund's page with its funders, the part and the share of each, and the form of a contributor as a member typed it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext
from sqlalchemy import select

from campaign.edges.db import db
from campaign.funders import calls, contributors, payments
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund, FundStatus
from campaign.rules.money import format_money, format_typed
from campaign.rules.shares import ShareSums
from campaign.web.languages import current_language
from campaign.web.security import has_role

LONGEST_NAME, NEW = 120, "new"


@dataclass(frozen=True, kw_only=True)
class ContributorForm:
    """The fields as typed, by their names, and the error of each. The name of a contributor's part is `part` with their id; a new one's has none."""

    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)


def part_field(contributor_id: int | None) -> str:
    """The name of the field with the part of this contributor, or of a new one."""
    return f"part-{contributor_id}" if contributor_id else "part"


def sums_of(fund: Fund) -> ShareSums:
    """The sums of the fund as the books are now."""
    return ShareSums(
        pledged_cents=fund.pledged_cents,
        held_cents=fund.held_cents,
        matched_cents=fund.matched_cents,
        called_cents=calls.called_cents(fund),
        received_cents=payments.received_cents(fund),
    )


def section_of(fund: Fund, lead: Funder, form: ContributorForm | None) -> dict[str, Any]:
    """What the section shows: a row for each funder where there are several, and what a manager may change of a draft."""
    others, language = contributors.contributors_of(fund), current_language()
    may_change = fund.status is FundStatus.DRAFT and has_role("manager")
    return {
        "contributor_rows": _rows(fund, lead, others, language) if others else [],
        "may_change_contributors": may_change,
        "has_pledge": bool(fund.pledged_cents),
        "contributor_form": _with_parts(form, others, language),
        "new_contributors": _offered(fund, others, language) if may_change else [],
        "new_funder": NEW,
        "longest_name": LONGEST_NAME,
    }


def _rows(fund: Fund, lead: Funder, others: list[FundContributor], language: str) -> list[dict[str, Any]]:
    shares = contributors.shares_in(fund, sums_of(fund), others)
    funders = [lead, *(contributors.funder_of(one) for one in others)]
    ids = [None, *(one.id for one in others)]
    return [
        {
            "id": contributor_id,
            "name": funder.name(language),
            "role": gettext("contributor") if contributor_id else gettext("lead funder"),
            "pledged": format_money(share.pledged_cents, language),
            "matched": format_money(share.matched_cents, language),
            "held": format_money(share.held_cents, language),
            "left": format_money(share.left_cents, language),
            "field": part_field(contributor_id) if contributor_id else "",
        }
        for contributor_id, funder, share in zip(ids, funders, shares, strict=True)
    ]


def _with_parts(form: ContributorForm | None, others: list[FundContributor], language: str) -> ContributorForm:
    """The form, with the stored part of each contributor where nothing else was typed."""
    parts = {part_field(one.id): format_typed(one.pledged_cents, language) for one in others}
    typed, errors = (form.typed, form.errors) if form else ({}, {})
    return ContributorForm(typed=parts | dict(typed), errors=errors)


def _offered(fund: Fund, others: list[FundContributor], language: str) -> list[tuple[str, str]]:
    """The funders who may be added, by their ids as texts."""
    taken = {fund.funder_id, *(one.funder_id for one in others)}
    return [(str(one.id), one.name(language)) for one in db.session.scalars(select(Funder).order_by(Funder.id)) if one.id not in taken]
