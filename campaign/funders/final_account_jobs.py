"""The final account of a fund as PDF, in the funder's language and signed with the charity's key. It is not stored: it is as of the moment it is made."""

from datetime import datetime
from typing import Any

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import call_contents, calls
from campaign.funders.call_render_jobs import ACCOUNT_TEMPLATE, letterhead_of, render_signed
from campaign.funders.calls import CallKind, FundCall
from campaign.funders.final_accounts import AccountShare, FinalAccount, account_of, account_shares
from campaign.matching.funds import Fund
from campaign.rules.money import format_money
from campaign.texts.call_words import call_labels
from campaign.texts.dates import format_day, format_moment


def render_account(fund: Fund, *, now: datetime, is_test: bool) -> bytes:
    """The account as of now. Raises RenderingFailed and SigningKeyMissing."""
    content = call_contents.letterhead(fund, CallKind.CALL, now=now, is_test=is_test)
    language, charity = content["language"], db.session.get_one(Campaign, fund.campaign_id).charity
    account = account_of(fund, now=now)
    shares = share_rows(account_shares(fund, account), language)
    data = {
        **letterhead_of(content, mark=""),
        "title": call_labels(language)["final_account_title"],
        "as_of": format_moment(charity.local(now), language),
        "rows": [[label, format_money(cents, language)] for label, cents in account_rows(account, language)],
        "results": [[label, format_money(cents, language)] for label, cents in result_rows(account, language)],
        "documents": [document_row(call, language) for call in calls.calls_of(fund)],
        **({"shares": shares, "share_rule": call_labels(language)["share_rule"]} if shares else {}),
    }
    return render_signed(ACCOUNT_TEMPLATE, content, data, charity_id=charity.id, at=now)


def share_rows(shares: list[AccountShare], language: str) -> list[list[str]]:
    """Each funder with what they promised, and their share of what is pledged, matched, called and retained."""
    return [
        [
            share.funder.name(language),
            *(
                format_money(cents, language)
                for cents in (
                    share.part_cents,
                    share.sums.pledged_cents,
                    share.sums.matched_cents,
                    share.sums.called_cents,
                    share.sums.received_cents,
                )
            ),
        ]
        for share in shares
    ]


def account_rows(account: FinalAccount, language: str) -> list[tuple[str, int]]:
    """What happened to the pledge, with labels."""
    labels = call_labels(language)
    leftover = labels["given_all_the_same" if account.donates_leftover else "not_matched"]
    rows = [
        (labels["pledged"], account.pledged_cents),
        (labels["matched_in_all"], account.matched_cents),
        (leftover, account.leftover_cents),
        (labels["called_in_all"], account.called_cents),
        (labels["received_in_all"], account.received_cents),
    ]
    return [*rows, (labels["returned_in_all"], -account.returned_cents)] if account.returned_cents else rows


def result_rows(account: FinalAccount, language: str) -> list[tuple[str, int]]:
    """What is still to be done; empty when the account is even."""
    labels = call_labels(language)
    found = (
        ("not_called", account.not_called_cents),
        ("open", account.open_cents),
        ("to_credit", account.to_credit_cents),
        ("surplus", account.surplus_cents),
    )
    return [(labels[name], cents) for name, cents in found if cents]


def document_row(call: FundCall, language: str) -> list[Any]:
    """A call or credit note: its number, day, what it is, and its sum."""
    labels = call_labels(language)
    what = labels["call_title" if call.kind == CallKind.CALL else "credit_note_title"]
    if calls.cancellation_of(call) is not None:
        what = f"{what} ({labels['cancelled']})"
    cents = call.cents if call.kind == CallKind.CALL else -call.cents
    return [call.name, format_day(call.issued_on, language), what, format_money(cents, language)]
