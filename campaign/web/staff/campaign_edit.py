"""The forms in which managers create and change campaigns, in both languages side by side, with a preview that stores nothing."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, gettext, ngettext
from flask_security import current_user

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaign_actions import CampaignHasChanged, SlugIsTaken
from campaign.campaigns.campaigns import Campaign, campaign_by_slug
from campaign.campaigns.charities import Charity, list_charities
from campaign.campaigns.pictures import find_picture
from campaign.edges import pictures
from campaign.edges.pictures import PagePicture, UnusablePicture
from campaign.rules import typed_text
from campaign.rules.pictures import LEAST_PAGE_HEIGHT, LEAST_PAGE_WIDTH, MOST_UPLOADED_BYTES
from campaign.texts.characters import describe_forbidden
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.public.campaigns import campaign_page
from campaign.web.public.donation_form import DonationForm, new_attempt
from campaign.web.public.preview_notice import PreviewNotice
from campaign.web.security import access, csrf
from campaign.web.staff.campaign_form import COLUMNS, LONGEST, NUMBERS, PRESETS, CampaignForm, form_of, read_form, typed_of
from campaign.web.staff.campaigns import find_campaign_or_404
from campaign.web.staff.picture_words import PictureLimits, describe_flaw

bp = Blueprint("staff_campaign_edit", __name__, url_prefix="/staff/campaigns")

LIMITS = PictureLimits(most_bytes=MOST_UPLOADED_BYTES, least_width=LEAST_PAGE_WIDTH, least_height=LEAST_PAGE_HEIGHT)
LONGEST_ALT = 300
CAUSE = ("cause_en", "cause_fr")
ALTS = ("picture_alt_en", "picture_alt_fr")


@bp.get("/new")
@access("manager")
def new_form() -> ResponseReturnValue:
    """The form for a new campaign, with what the campaign that is shown has in amounts and bounds."""
    typed = typed_of(campaign_or_404())
    empty = {f"{name}_{of}": "" for name in ("title", "lead", "story", "cause") for of in LANGUAGES}
    return _page(None, CampaignForm(typed=typed | empty | {"slug": ""}))


@bp.post("/new")
@access("manager")
def create() -> ResponseReturnValue:
    """Create a campaign as a draft."""
    form = read_form(slug=None)
    if form.errors:
        return _page(None, form), 422
    try:
        created = campaign_actions.create(_charity(), form.values, actor=current_user.email)
    except SlugIsTaken:
        return _page(None, _with_taken_slug(form)), 422
    flash(gettext("The campaign is a draft. Nobody sees it until you open it."))
    return redirect(url_for("staff_campaigns.one", slug=created.slug), 303)


def _charity() -> Charity:
    """The charity that was chosen, or that of the campaign that is shown."""
    chosen = [one for one in list_charities() if str(one.id) == request.values.get("charity")]
    return chosen[0] if chosen else campaign_or_404().charity


def _with_taken_slug(form: CampaignForm) -> CampaignForm:
    free = next(slug for number in range(2, 1000) if campaign_by_slug(slug := f"{form.values['slug']}-{number}") is None)
    error = gettext("Another campaign has this address. This one is free: %(slug)s", slug=free)
    return CampaignForm(typed=form.typed, errors={"slug": error}, version=form.version)


@bp.get("/<slug>/edit")
@access("manager", fresh=True)
def edit_form(slug: str) -> ResponseReturnValue:
    """The form with the campaign as it is stored."""
    campaign = find_campaign_or_404(slug)
    return _page(campaign, form_of(campaign, version=campaign_actions.version_of(campaign, COLUMNS)))


@bp.post("/<slug>/edit")
@access("manager", fresh=True)
def change(slug: str) -> ResponseReturnValue:
    """Change the campaign. What somebody else has changed meanwhile is shown first."""
    campaign = find_campaign_or_404(slug)
    form = _with_fixed_cause(campaign, read_form(slug=slug if campaign.opened_at else None))
    if form.errors:
        return _page(campaign, form), 422
    try:
        changed = campaign_actions.change(campaign, form.values, actor=current_user.email, version=form.version)
    except SlugIsTaken:
        return _page(find_campaign_or_404(slug), _with_taken_slug(form)), 422
    except CampaignHasChanged:
        return _page(campaign, _with_stored(campaign, form)), 422
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_campaigns.one", slug=campaign.slug), 303)


def _with_fixed_cause(campaign: Campaign, form: CampaignForm) -> CampaignForm:
    """What gifts were given for is on the pages of their donors: it does not change."""
    changed = [name for name in CAUSE if form.values.get(name, getattr(campaign, name)) != getattr(campaign, name)]
    if not changed or not campaign_actions.has_donations(campaign):
        return form
    error = gettext("Gifts were given for this. It can no longer change.")
    return CampaignForm(typed=form.typed, errors={**form.errors, **dict.fromkeys(changed, error)}, values=form.values, version=form.version)


def _with_stored(campaign: Campaign, form: CampaignForm) -> CampaignForm:
    stored = {name: text for name, text in typed_of(campaign).items() if text != form.typed[name]}
    return CampaignForm(typed=form.typed, stored=stored, version=campaign_actions.version_of(campaign, COLUMNS))


def _page(campaign: Campaign | None, form: CampaignForm) -> str:
    language = current_language()
    charities = list_charities()
    return render_template(
        "staff/campaign_form.html",
        title=(campaign or campaign_or_404()).title(language),
        slug=campaign.slug if campaign else "",
        name=campaign.title(language) if campaign else "",
        keeps_slug=campaign is not None and campaign.opened_at is not None,
        is_public=campaign is not None and campaign.is_public,
        form=form,
        longest=LONGEST,
        presets=PRESETS,
        limits=NUMBERS,
        charities=[(one.id, one.name(language)) for one in charities] if campaign is None and len(charities) > 1 else [],
        charity=_charity().id,
    )


@bp.get("/<slug>/preview/<any(en,fr):of>")
@access("viewer")
def preview(slug: str, of: str) -> ResponseReturnValue:
    """The donor's page of the campaign as it is stored, public or not."""
    return _preview(find_campaign_or_404(slug), of, gettext("This is what donors see once the campaign is open. The form sends nothing."))


@bp.post("/<slug>/preview/<any(en,fr):of>")
@access("manager")
def preview_typed(slug: str, of: str) -> ResponseReturnValue:
    """The donor's page of the campaign as it is typed. Nothing is stored."""
    return _preview_of(find_campaign_or_404(slug), of)


@bp.post("/new/preview/<any(en,fr):of>")
@access("manager")
def preview_new(of: str) -> ResponseReturnValue:
    """The donor's page of a campaign that is being typed. Nothing is stored."""
    return _preview_of(None, of)


def _preview_of(stored: Campaign | None, of: str) -> str:
    form, like = read_form(slug=None), stored or campaign_or_404()
    columns = {column.name: getattr(like, column.name) for column in Campaign.__table__.columns}
    if stored is None:
        typed = {name: text for name, text in form.typed.items() if name.rpartition("_")[0] in {"title", "lead", "story"}}
        columns |= {"id": 0, "slug": "preview", "picture": None, **typed}
    shown = Campaign(**columns | {name: value for name, value in form.values.items() if name != "slug"})
    shown.charity = _charity() if stored is None else stored.charity
    what = gettext("Nothing of this is stored, and the form sends nothing.")
    if form.errors:
        wrong = ngettext(
            "%(num)s field is not right yet, and shows as it was before.",
            "%(num)s fields are not right yet, and show as they were before.",
            len(form.errors),
        )
        what = f"{what} {wrong}"
    return _preview(shown, of, what)


def _preview(campaign: Campaign, of: str, what: str) -> str:
    notice = PreviewNotice(label=gettext("Preview"), text=what, language=current_language())
    with force_locale(of):
        return campaign_page(campaign, DonationForm(campaign, of, formdata=None), attempt=new_attempt(), preview=notice)


@bp.get("/<slug>/picture")
@access("manager", fresh=True)
def picture_form(slug: str) -> ResponseReturnValue:
    """The form for the picture at the head of the campaign's page."""
    campaign = find_campaign_or_404(slug)
    return _picture_page(campaign, {name: getattr(campaign, name) for name in ALTS}, {})


def _picture_page(campaign: Campaign, typed: dict[str, str], errors: dict[str, str]) -> str:
    language = current_language()
    return render_template(
        "staff/campaign_picture.html",
        title=campaign.title(language),
        slug=campaign.slug,
        version=campaign_actions.version_of(campaign, ("picture", *ALTS)),
        picture=find_picture(campaign.picture) if campaign.picture else None,
        picture_alt=campaign.picture_alt(language),
        typed=typed,
        errors=errors,
        longest=LONGEST_ALT,
        megabytes=LIMITS.megabytes,
    )


@bp.post("/<slug>/picture")
@access("manager", fresh=True, takes_document=True)
@csrf.exempt  # Its token is checked here, once the request may be as large as a picture.
def change_picture(slug: str) -> ResponseReturnValue:
    """Show another picture, the same with other words, or none."""
    csrf.protect()
    campaign = find_campaign_or_404(slug)
    is_removal = request.form.get("change") == "remove"
    typed = dict.fromkeys(ALTS, "") if is_removal else {name: " ".join(typed_text.clean(request.form.get(name)).split()) for name in ALTS}
    uploaded, errors = (None, {}) if is_removal else _read_picture(campaign, typed)
    if errors:
        return _picture_page(campaign, typed, errors), 422
    try:
        changed = campaign_actions.change_picture(
            campaign, uploaded, typed, actor=current_user.email, version=request.form.get("version", "")
        )
    except CampaignHasChanged:
        error = gettext("Somebody has changed this picture since you opened the page. It is shown here; choose yours again to replace it.")
        return _picture_page(campaign, typed, {"picture": error}), 422
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_campaigns.one", slug=slug), 303)


def _read_picture(campaign: Campaign, alts: dict[str, str]) -> tuple[PagePicture | None, dict[str, str]]:
    """The picture that came with the form, if one did, and the error of each field."""
    errors: dict[str, str] = {name: error for name, text in alts.items() if (error := _alt_error(text))}
    file = request.files.get("picture")
    upload = file.read(MOST_UPLOADED_BYTES + 1) if file else b""
    if not upload:
        missing = {} if campaign.picture else {"picture": str(gettext("Please choose a picture."))}
        return None, errors | missing
    try:
        return pictures.page_picture(upload), errors
    except UnusablePicture as error:
        unreadable = gettext("This file cannot be read as a picture. Please choose a JPEG, PNG or WebP.")
        return None, errors | {"picture": describe_flaw(error.flaw, LIMITS, unreadable=unreadable)}


def _alt_error(text: str) -> str:
    if not text or len(text) > LONGEST_ALT:
        return str(gettext("Please say in one line what the picture shows: people who do not see it are told this."))
    character = typed_text.first_forbidden(text)
    return describe_forbidden(character, current_language()) if character else ""
