"""Recipients of reports and what they choose, for the pages on which they, their funder or staff change it, and the forms there."""

from dataclasses import dataclass
from typing import Any

from flask import flash, request
from flask_babel import gettext

from campaign.edges.db import db
from campaign.funders import report_recipient_actions, report_recipients
from campaign.funders.funders import Funder
from campaign.funders.report_recipients import USUAL, ReportChoice, ReportRecipient, Sending
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.report_schedule import PARTS, Milestone, ReportKind
from campaign.texts.action_errors import ActionRefused, describe_error
from campaign.web.languages import LANGUAGES, current_language


def kind_labels() -> dict[ReportKind, str]:
    """The kinds in words, as boxes to tick."""
    return {
        ReportKind.WEEKLY: gettext("every Monday, about the week before"),
        ReportKind.MONTHLY: gettext("on the first day of each month, about the month before"),
        ReportKind.QUARTERLY: gettext("after each quarter"),
        ReportKind.MILESTONE: gettext("when half, three quarters, nine tenths and all of the pledge are matched"),
        ReportKind.END: gettext("at the end of the matching"),
    }


def milestone_labels() -> dict[Milestone, str]:
    """The milestones in words."""
    parts = {part: gettext("%(percent)s%% of the pledge is matched", percent=part.value) for part in PARTS}
    return {**parts, Milestone.WHOLE: gettext("the whole pledge is matched"), Milestone.END: gettext("the end of the matching")}


def sending_label(choice: ReportChoice) -> str:
    """What is sent now, in words."""
    match choice.sending:
        case Sending.PAUSED:
            return gettext("Paused: nothing is sent until it is resumed.")
        case Sending.STOPPED:
            return gettext("Stopped: nothing is sent.")
        case _:
            return gettext("Reports are sent.") if choice.kinds else gettext("Nothing is chosen, so nothing is sent.")


def row_of(recipient: ReportRecipient) -> dict[str, Any]:
    """The recipient with what is chosen, for report_choices.html."""
    choice = report_recipients.choice_of(recipient)
    return {
        "id": recipient.id,
        "email": recipient.email,
        "lang": recipient.language,
        "kinds": [(kind.value, label, kind in choice.kinds) for kind, label in kind_labels().items()],
        "state": sending_label(choice),
        "is_active": choice.sending == Sending.ACTIVE,
        "is_stopped": choice.sending == Sending.STOPPED,
    }


def read_kinds() -> set[ReportKind]:
    """The boxes that are ticked."""
    return {ReportKind(kind) for kind in request.form.getlist("kinds") if kind in set(ReportKind)}


def change(recipient: ReportRecipient, *, actor: str) -> None:
    """Do what the pressed button of the form says, and say what is so now."""
    choice = report_recipients.choice_of(recipient)
    kinds = set(report_recipients.kinds_of(choice))
    match request.form.get("act"):
        case "pause":
            sending, done = Sending.PAUSED, gettext("Reports to %(email)s are paused.", email=recipient.email)
        case "stop":
            sending, done = Sending.STOPPED, gettext("No report is sent to %(email)s any more.", email=recipient.email)
        case "resume":
            sending, done = Sending.ACTIVE, gettext("Reports are sent to %(email)s again.", email=recipient.email)
        case _:
            kinds, sending = read_kinds(), Sending(choice.sending)
            done = gettext("What %(email)s gets is changed.", email=recipient.email)
    if report_recipient_actions.choose(recipient, kinds=kinds, sending=sending, actor=actor):
        flash(done)
    else:
        flash(gettext("Nothing was changed: it is so already."))


@dataclass(frozen=True, kw_only=True)
class NewRecipient:
    """The form for another recipient as it was typed, and what is wrong with the address."""

    email: str = ""
    language: str = ""
    kinds: frozenset[ReportKind] = USUAL
    error: str = ""

    @property
    def boxes(self) -> list[tuple[str, str, bool]]:
        """The kinds with their words, and whether each is ticked."""
        return [(kind.value, label, kind in self.kinds) for kind, label in kind_labels().items()]


def empty_form() -> NewRecipient:
    """The form before anything is typed."""
    return NewRecipient(language=current_language())


def add(funder: Funder, *, actor: str) -> NewRecipient | None:
    """Add the recipient that the form names. Returns the form with its error when it is refused."""
    typed = " ".join(request.form.get("email", "").split())[:320]
    language = request.form.get("language", "")
    form = NewRecipient(email=typed, language=language if language in LANGUAGES else current_language(), kinds=frozenset(read_kinds()))
    try:
        address = parse_email(typed)
        report_recipient_actions.add(funder, email=address, language=form.language, kinds=form.kinds, actor=actor)
    except InvalidEmail:
        return _with_error(form, gettext("This is not an email address. Write one like name@example.org."))
    except ActionRefused as refusal:
        return _with_error(form, describe_error(refusal.refusal, current_language()))
    flash(gettext("Reports are sent to %(email)s from now on.", email=address))
    return None


def _with_error(form: NewRecipient, error: str) -> NewRecipient:
    return NewRecipient(email=form.email, language=form.language, kinds=form.kinds, error=error)


def recipient_of(funder_id: int, recipient_id: int) -> ReportRecipient | None:
    """The recipient with this id, if it is the funder's."""
    found = db.session.get(ReportRecipient, recipient_id)
    return found if found is not None and found.funder_id == funder_id else None
