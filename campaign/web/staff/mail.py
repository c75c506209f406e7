"""Mail for staff: what could not be sent or came back, each mail as it was written, and what can be done about it."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user
from werkzeug.wrappers import Response

from campaign.edges.db import db
from campaign.giving import mails, outbox
from campaign.giving.campaigns import default_campaign
from campaign.giving.donations import Donation
from campaign.giving.outbox import OutboxItem
from campaign.web.languages import spoken
from campaign.web.security import access, has_role
from campaign.web.staff.receipts import LONGEST_REASON, reason_given
from campaign.web.states import kind_words, mail_words
from campaign.work import mail_desk

bp = Blueprint("staff_mail", __name__, url_prefix="/staff/mail")

SHOWN = 100


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What needs a person: given up, or come back."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    return render_template(
        "staff/mail.html",
        title=campaign.title(spoken()),
        failed=mail_lines(outbox.dead(limit=SHOWN)),
        failed_count=outbox.dead_items(),
        returned=mail_lines(mails.returned(limit=SHOWN)),
        may_act=has_role("clerk"),
    )


def mail_lines(items: list[OutboxItem]) -> list[dict[str, Any]]:
    """Mails, ready to show."""
    campaign = default_campaign()
    assert campaign is not None
    ids = [item.id for item in items]
    last, came_back = mails.hand_offs_of(ids), mails.bounces_of(ids)
    return [
        {
            "id": item.id,
            "kind": kind_words().get(item.kind, item.kind),
            "state": mail_words()[mails.state_of(item, last.get(item.id), came_back.get(item.id))],
            "at": format_datetime(campaign.charity.local(item.created_at), "yyyy-MM-dd HH:mm", rebase=False),
            "iso": item.created_at.isoformat(),
            "donation": db.session.get_one(Donation, item.donation_id) if item.donation_id else None,
            "error": came_back[item.id].reason if item.id in came_back else item.last_error or "",
            "is_dead": item.dead_at is not None,
        }
        for item in items
    ]


@bp.get("/<int:item_id>")
@access("viewer")
def one(item_id: int) -> ResponseReturnValue:
    """A mail as it was written, with every hand-over."""
    campaign, item = default_campaign(), db.session.get(OutboxItem, item_id)
    if campaign is None or item is None:
        abort(404)
    (line,) = mail_lines([item])
    return render_template(
        "staff/one_mail.html",
        title=campaign.title(spoken()),
        line=line,
        words=mails.mail_of(item.id),
        message_id=item.message_id or "",
        hand_offs=[
            {
                "at": format_datetime(campaign.charity.local(h.began_at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "outcome": h.outcome,
                "answer": h.answer,
            }
            for h in mails.all_hand_offs(item.id)
        ],
        may_act=has_role("clerk"),
        may_bounce=line["state"] == mail_words()[mails.State.SENT],
        longest_reason=LONGEST_REASON,
    )


@bp.post("/<int:item_id>/again")
@access("clerk")
def again(item_id: int) -> ResponseReturnValue:
    """A mail that was given up is tried anew."""
    if mail_desk.try_again(_item(item_id), actor=current_user.email):
        flash(gettext("The mail is being sent again. If it fails once more, it comes back here."))
    else:
        flash(gettext("This mail waits no more: it was sent, or is being sent."))
    return _back(item_id)


@bp.post("/<int:item_id>/bounces")
@access("clerk")
def bounce(item_id: int) -> ResponseReturnValue:
    """The mail came back to the charity's mailbox."""
    reason = reason_given()
    if reason and not mail_desk.note_bounce(_item(item_id), actor=current_user.email, reason=reason):
        flash(gettext("This was noted before, or the mail was never sent."), "error")
    elif reason:
        flash(gettext("Noted. Correct the address on the page of the gift, or send the receipt by post."))
    return _back(item_id)


def _item(item_id: int) -> OutboxItem:
    item = db.session.get(OutboxItem, item_id)
    if item is None:
        abort(404)
    return item


def _back(item_id: int) -> Response:
    return redirect((request.form.get("back") == "list" and url_for("staff_mail.page")) or url_for("staff_mail.one", item_id=item_id), 303)
