"""Where a donor sees and changes what the campaign's page shows of a gift, or withdraws it: from the page of the gift."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf import FlaskForm
from wtforms import Field

from campaign.donations import wall_actions, wall_entries
from campaign.donations.donations import Donation, donation_by_token
from campaign.donations.showing import Decision
from campaign.donations.wall_entries import WallConsent, WallEntry
from campaign.edges import pdf
from campaign.rules.public_names import name_to_show
from campaign.texts.characters import describe_unprintable
from campaign.web.languages import current_language
from campaign.web.public.donor_access import require_access
from campaign.web.public.wall import dedication_values, province_name
from campaign.web.public.wall_fields import WallFields, check_name
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("wall_choice", __name__)


class WallForm(FlaskForm, WallFields):
    """What is shown of one gift."""

    class Meta(FlaskForm.Meta):
        """All words are ours, as on other forms."""

        def get_translations(self, form: object) -> None:
            return None

    def __init__(self, donation: Donation, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.donation = donation

    def validate_public_name(self, field: Field) -> None:
        last_name = "" if self.anonymous.data else self.donation.last_name
        check_name(field, first_name=self.donation.first_name, last_name=last_name)
        if character := pdf.first_unprintable(field.data or ""):
            raise ValueError(describe_unprintable(character, current_language()))

    def consent(self) -> WallConsent:
        """What the donor agrees to. Call it only after `validate`."""
        donation = self.donation
        name = name_to_show(
            self.public_name.data,
            first_name=donation.first_name,
            last_name=donation.last_name,
            is_anonymous=bool(self.anonymous.data),
        )
        shows_tribute = bool(self.show_tribute.data and donation.tribute_kind)
        return WallConsent(name=name, shows_province=bool(self.show_province.data), shows_tribute=shows_tribute)

    def all_errors(self) -> list[tuple[str, str]]:
        """Each field with its first error."""
        again = gettext("This page was open for a long time. Please press the button again.")
        return [(field.name, again if field.name == "csrf_token" else str(field.errors[0])) for field in self if field.errors]


@bp.route("/<any(en,fr):language>/donations/<token>/wall", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # The form checks its own token: a stale one is an error above the form, and nothing typed is lost.
@limiter.limit(LINKS_PER_CLIENT, methods=["POST"])
def choose(language: str, token: str) -> ResponseReturnValue:
    """Change what is shown, for a browser that may change something."""
    donation = _donation_or_404(token)
    require_access(donation)
    entry = wall_entries.find_of(donation)
    if entry is None:
        return redirect(url_for("donation_page.page", language=language, token=token), 303)
    if request.method == "GET":
        shown = {
            "public_name": donation.public_name,
            "anonymous": donation.anonymous,
            "show_province": entry.shows_province,
            "show_tribute": entry.shows_tribute,
        }
        return _page(donation, WallForm(donation, formdata=None, **shown))
    form = WallForm(donation)
    if not form.validate():
        return _page(donation, form), 422
    is_anonymous = bool(form.anonymous.data)
    if wall_actions.change(donation, form.consent(), public_name=form.public_name.data or "", is_anonymous=is_anonymous):
        flash(gettext("Changed. If you show more than before, the foundation checks it first."))
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/donations/<token>/wall/withdrawals")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def withdraw(language: str, token: str) -> ResponseReturnValue:
    """Withdraw the consent, for a browser that may change something."""
    donation = _donation_or_404(token)
    require_access(donation)
    wall_actions.withdraw(donation)
    flash(gettext("Your gift is not shown any more."))
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


def _donation_or_404(token: str) -> Donation:
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    return donation


def _page(donation: Donation, form: WallForm) -> str:
    campaign, language = donation.campaign, current_language()
    return render_template(
        "donate/wall_choice.html",
        form=form,
        errors=form.all_errors(),
        donation=donation,
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
    )


def wall_of_gift(donation: Donation) -> dict[str, Any] | None:
    """What is shown of the gift, or will be, as values for a page; None when the donor has not agreed to show it."""
    entry = wall_entries.find_of(donation)
    if entry is None or not wall_entries.is_retained(donation):
        return None
    return {**shown_values(entry, donation), "state": _state(entry)}


def shown_values(entry: WallEntry, donation: Donation) -> dict[str, str]:
    """What the entry shows, as the campaign's page has it."""
    return {
        "name": "" if donation.anonymous else entry.name,
        "province": province_name(donation.province) if entry.shows_province and donation.country == "CA" else "",
        **dedication_values(donation.tribute_kind if entry.shows_tribute else None, donation.tribute_name),
    }


def _state(entry: WallEntry) -> str:
    if entry.decision == Decision.REFUSED:
        return gettext("The foundation does not show it. You may change what is shown; it is then read again.")
    if entry.show_from and entry.show_from <= datetime.now(UTC):
        return gettext("It is shown now, among others.")
    if entry.decision == Decision.AGREED:
        return gettext("The foundation has agreed. It appears with others within two days, so that nobody can tell which gift is yours.")
    return gettext("The foundation checks it first. Your gift then appears with others, within two days.")
