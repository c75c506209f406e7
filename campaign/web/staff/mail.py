"""E-mail for staff: failed and bounced messages, each message with its attempts, and the actions on them."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user
from werkzeug.wrappers import Response

from campaign.donations.donations import donations_by_id
from campaign.edges.db import db
from campaign.edges.links import without_tokens
from campaign.edges.sealed_text import UnknownKey
from campaign.mail import mail_actions
from campaign.outbox import dead_messages, deliveries, delivery_delays
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.web.errors import campaign_or_404
from campaign.web.labels import email_state_labels, message_kind_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_mail", __name__, url_prefix="/staff/mail")

SHOWN = 100


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Messages that need attention: dead-lettered, or bounced."""
    campaign = campaign_or_404()
    return render_template(
        "staff/mail.html",
        title=campaign.title(current_language()),
        failed=mail_lines(dead_messages.list_dead(limit=SHOWN)),
        failed_count=dead_messages.count_dead(),
        returned=mail_lines(deliveries.list_bounced(limit=SHOWN)),
        may_act=has_role("clerk"),
    )


def mail_lines(items: list[OutboxMessage]) -> list[dict[str, Any]]:
    """The messages, formatted for display."""
    campaign = campaign_or_404()
    ids = [item.id for item in items]
    last, bounces = deliveries.last_attempts(ids), deliveries.bounces_of(ids)
    gifts = donations_by_id(item.donation_id for item in items)
    return [
        {
            "id": item.id,
            "kind": message_kind_labels()[MessageKind(item.kind)],
            "state": email_state_labels()[deliveries.state_of(item, last.get(item.id), bounces.get(item.id))],
            "at": format_datetime(campaign.charity.local(item.created_at), "yyyy-MM-dd HH:mm", rebase=False),
            "iso": item.created_at.isoformat(),
            "donation": gifts[item.donation_id] if item.donation_id else None,
            "error": bounces[item.id].reason if item.id in bounces else item.last_error or "",
            "is_dead": item.dead_at is not None,
        }
        for item in items
    ]


@bp.get("/<int:item_id>")
@access("viewer")
def message(item_id: int) -> ResponseReturnValue:
    """One message with its frozen e-mail and every delivery attempt."""
    campaign, item = campaign_or_404(), _message_or_404(item_id)
    (line,) = mail_lines([item])
    email = deliveries.email_of(item.id)
    return render_template(
        "staff/one_mail.html",
        title=campaign.title(current_language()),
        line=line,
        email=email,
        text=_readable_text(email) if email else "",
        message_id=item.message_id or "",
        attempts=[
            {
                "at": format_datetime(campaign.charity.local(attempt.started_at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "outcome": attempt.outcome,
                "answer": attempt.answer,
            }
            for attempt in deliveries.attempts_of(item.id)
        ],
        delays=[
            {
                "at": format_datetime(campaign.charity.local(delay.reported_at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "said": f"{delay.status} {delay.diagnostic}".strip(),
            }
            for delay in delivery_delays.delays_of(item.id)
        ],
        may_act=has_role("clerk"),
        may_bounce=line["state"] == email_state_labels()[deliveries.EmailState.SENT],
        longest_reason=LONGEST_REASON,
    )


def _readable_text(email: FrozenEmail) -> str:
    """The text without its links; why there is none, or what to do when it cannot be decrypted."""
    if email.is_erased:
        return str(gettext("Who this email was to and what it said are erased."))
    try:
        return without_tokens(email.plain)
    except UnknownKey:
        return str(gettext("This text was encrypted with an earlier SECRET_KEY, which is no longer among SECRET_KEY_FALLBACKS."))


@bp.post("/<int:item_id>/again")
@access("clerk")
def again(item_id: int) -> ResponseReturnValue:
    """Retry a dead-lettered message."""
    if mail_actions.retry(_message_or_404(item_id), actor=current_user.email):
        flash(gettext("The email is being sent again. If it fails once more, it comes back here."))
    else:
        flash(gettext("This email has already been sent, or is being sent."))
    return _back(item_id)


@bp.post("/<int:item_id>/bounces")
@access("clerk")
def bounce(item_id: int) -> ResponseReturnValue:
    """Record that the e-mail bounced to the charity's mailbox."""
    reason = read_reason(missing=gettext("What the other server said is missing. Please write it in one line."))
    if not reason:
        return refused(message(item_id))
    if not mail_actions.report_bounce(_message_or_404(item_id), actor=current_user.email, reason=reason):
        flash(gettext("This was noted before, or the email was never sent."), "error")
    else:
        flash(gettext("Noted. Correct the address on the page of the gift, or send the receipt by post."))
    return _back(item_id)


def _message_or_404(item_id: int) -> OutboxMessage:
    item = db.session.get(OutboxMessage, item_id)
    if item is None:
        abort(404)
    return item


def _back(item_id: int) -> Response:
    goes_to_list = request.form.get("back") == "list"
    return redirect(url_for("staff_mail.page") if goes_to_list else url_for("staff_mail.message", item_id=item_id), 303)
