"""Gifts that donors let the campaign's page show: staff read each of them first, and agree or refuse. That can be taken back; nobody edits them."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.donations import donations, wall_actions, wall_entries
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.donations.wall_entries import WallEntry
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.public.wall_choice import shown_values
from campaign.web.security import access, has_role
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.showing import back_to, posted_decision

bp = Blueprint("staff_wall", __name__, url_prefix="/staff")

SHOWN = 50
DECIDED_SHOWN = 20


@bp.get("/wall")
@access("viewer")
def page() -> ResponseReturnValue:
    """The gifts that wait, the earliest first, and what was decided last."""
    campaign = campaign_or_404()
    waiting = wall_entries.list_waiting(campaign, limit=SHOWN)
    return render_template(
        "staff/wall.html",
        title=campaign.title(current_language()),
        waiting=[_values(entry, donation) for entry, donation in waiting],
        more=wall_entries.count_waiting(campaign) - len(waiting),
        decided=[_values(entry, donation) for entry, donation in wall_entries.list_decided(campaign, limit=DECIDED_SHOWN)],
        may_decide=has_role("clerk"),
    )


@bp.post("/donations/<public_id>/wall/decisions")
@access("clerk")
def decide(public_id: str) -> ResponseReturnValue:
    """Agree or refuse to show the gift on the campaign's page, or take that back."""
    donation, decision = donation_or_404(public_id), posted_decision()
    version = _number(request.form.get("version", ""))
    if not wall_actions.decide(donation, decision, version=version, actor=current_user.email):
        flash(
            gettext("Nothing was changed: the donor has changed or withdrawn it, or this was decided already. Please read it again."),
            "error",
        )
    else:
        done = {
            Decision.AGREED: gettext("The gift appears on the campaign’s page with others within two days, without its amount."),
            Decision.REFUSED: gettext("The gift is not shown on the campaign’s page."),
            None: gettext("The gift is not shown, and waits for a decision again."),
        }
        flash(done[decision])
    return back_to("staff_wall.page", public_id, anchor="wall")


@bp.post("/wall/agreements")
@access("clerk")
def agree() -> ResponseReturnValue:
    """Agree to show all gifts that the member has read on the page, each as it was there."""
    names, versions = request.form.getlist("donation"), request.form.getlist("version")
    if len(names) != len(versions) or len(names) > SHOWN:
        abort(400)
    if request.form.get("confirmed") != "y":
        flash(gettext("Nothing was changed. Please tick that you have read all of them."), "error")
        return redirect(url_for("staff_wall.page"), 303)
    known = donations.donations_by_id(donations.ids_of(names).values())
    by_name = {donation.public_id: donation for donation in known.values()}
    read = [(by_name[name], _number(version)) for name, version in zip(names, versions, strict=True) if name in by_name]
    agreed = wall_actions.accept_all(read, actor=current_user.email)
    flash(
        ngettext(
            "%(num)s gift appears on the campaign’s page within two days.",
            "%(num)s gifts appear on the campaign’s page within two days.",
            agreed,
        )
    )
    if agreed < len(names):
        flash(gettext("The others were changed or withdrawn meanwhile. Please read them again."), "error")
    return redirect(url_for("staff_wall.page"), 303)


def _number(text: str) -> int:
    """The number of a version; 0, which none has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def wall_of(donation: Donation) -> dict[str, Any] | None:
    """What is shown of the donation and what is decided about it; None when the donor has not agreed to show it."""
    entry = wall_entries.find_of(donation)
    return _values(entry, donation) if entry else None


def wall_words(entry: WallEntry, donation: Donation) -> str:
    """As whose the gift is shown, and what is decided about it."""
    named = shown_values(entry, donation)["name"] or gettext("Someone")
    shown = gettext("As %(name)s on the campaign’s page.", name=named)
    return f"{shown} {_state(entry, donation)}"


def _values(entry: WallEntry, donation: Donation) -> dict[str, Any]:
    return {
        **shown_values(entry, donation),
        "public_id": donation.public_id,
        "donor": donation.full_name,
        "version": entry.version,
        "decision": entry.decision or "",
        "state": _state(entry, donation),
    }


def _state(entry: WallEntry, donation: Donation) -> str:
    def moment(at: Any) -> str:
        return format_moment(donation.campaign.charity.local(at), current_language())

    if not wall_entries.is_retained(donation):
        return gettext("It is not shown, as the gift is not paid, was returned, or is in quarantine.")
    if entry.decision == Decision.REFUSED:
        return gettext("It is not shown, as %(who)s decided on %(moment)s.", who=entry.decided_by, moment=moment(entry.decided_at))
    if entry.decision == Decision.AGREED and entry.show_from:
        return gettext(
            "It is shown from %(since)s on, as %(who)s decided on %(moment)s.",
            since=moment(entry.show_from),
            who=entry.decided_by,
            moment=moment(entry.decided_at),
        )
    if entry.decision == Decision.AGREED:
        return gettext(
            "It appears with others within two days, as %(who)s decided on %(moment)s.",
            who=entry.decided_by,
            moment=moment(entry.decided_at),
        )
    return gettext("It waits for your decision.")
