"""The campaign page: story, progress and the donation form; and quotes, which tell the form what match an amount would get."""

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import Campaign, default_campaign, public_campaign
from campaign.campaigns.pictures import find_picture
from campaign.donations.donations import Donation, donation_by_token
from campaign.funders.introductions import shown_introductions
from campaign.recurring.recurring_gifts import MONTHLY
from campaign.reporting.totals import no_totals, totals_of
from campaign.rules import money
from campaign.texts import match_copy, match_quote
from campaign.web.assets import compressed
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.public import donor_access, human_check, shared_head
from campaign.web.public.donation_form import DonationForm, amount_error, attempts, new_attempt
from campaign.web.public.more_time import again_notice
from campaign.web.public.page_events import page_parts
from campaign.web.public.page_notice import Notice
from campaign.web.public.preview_notice import PreviewNotice
from campaign.web.public.progress import progress_of
from campaign.web.public.quotes import Promise, current_funds, presets_of, quote_of
from campaign.web.public.wall import SHOWN_ON_CAMPAIGN, shown_gifts
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("campaigns", __name__)

TYPED = (
    *("first_name", "last_name", "organization", "email", "address_line1", "address_line2", "city", "province", "postal_code", "country"),
    *("public_name", "anonymous", "tribute_kind", "tribute_name", "message", "frequency"),
)

# Of an earlier donation, what its link alone may show.
NOT_PERSONAL = ("amount", "frequency", "cover_fee")


@bp.get("/")
@bp.get("/<any(en,fr):language>/")
@access("public")
def home(language: str = "") -> ResponseReturnValue:
    """Redirect to the default campaign in this language, or in the visitor's."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    response = redirect(url_for("campaigns.page", language=language or current_language(), slug=campaign.slug))
    response.vary.add("Accept-Language")
    return response


@bp.get("/<any(en,fr):language>/<slug>")
@access("public")
def page(language: str, slug: str) -> ResponseReturnValue:
    """The campaign page. `?amount=` prefills the amount, `?frequency=monthly` chooses a monthly gift; `?again=` prefills the form from an earlier donation, by its token.

    What is personal is filled in for the browser that began the donation, and for one that may change it.
    """
    campaign = _campaign_by_slug_or_404(slug)
    again = donation_by_token(request.args["again"]) if "again" in request.args else None
    typed = _typed(again, language) if again else _asked_for()
    if again and not donor_access.has_begun(again) and not donor_access.may_change(again):
        typed = {name: typed[name] for name in NOT_PERSONAL}
    notice = again_notice(again, has_more_time=request.args.get("time") == "more") if again else None
    shown = campaign_page(campaign, DonationForm(campaign, language, formdata=None, **typed), attempt=new_attempt(), notice=notice)
    return shown if again else compressed(shown)


def _asked_for() -> dict[str, Any]:
    """The form fields that the link to the page has chosen."""
    is_monthly = request.args.get("frequency") == MONTHLY
    return {"amount": request.args.get("amount", "")[:40], **({"frequency": MONTHLY} if is_monthly else {})}


def _typed(donation: Donation, language: str) -> dict[str, Any]:
    """The form fields of an earlier donation."""
    typed = {name: getattr(donation, name) for name in TYPED}
    return {**typed, "amount": _as_typed(donation.amount_cents, language), "cover_fee": donation.covered_fee_cents > 0}


def _as_typed(cents: int, language: str) -> str:
    return money.format_typed(cents, language)


@bp.post("/<any(en,fr):language>/<slug>")
@access("public")
@csrf.exempt  # It changes nothing: it shows what was typed.
@limiter.limit(LINKS_PER_CLIENT)
def in_another_language(language: str, slug: str) -> ResponseReturnValue:
    """The page in the language that the donor chose while writing, with what was typed and not yet checked."""
    campaign = _campaign_by_slug_or_404(slug)
    form = DonationForm(campaign, language)
    (typed_in,) = set(LANGUAGES) - {language}
    with suppress(money.InvalidMoney):
        form.amount.data = money.format_typed(money.parse(form.amount.data or "", typed_in), language)
    is_known = attempts().read(form.attempt.data) is not None
    return campaign_page(campaign, form, attempt=str(form.attempt.data) if is_known else new_attempt())


@bp.get("/<any(en,fr):language>/<slug>/quote")
@access("public")
def quote(language: str, slug: str) -> Response:
    """The match that a donation of `amount` would get now, and the state of the match, as texts, amounts and HTML fragments."""
    campaign = _campaign_by_slug_or_404(slug)
    funds = current_funds(campaign, language)
    typed = request.args.get("amount", "")[:40]
    quoted = quote_of(campaign, funds, typed, language, is_monthly=request.args.get("frequency") == MONTHLY)
    response = jsonify(
        **quoted,
        amount_error=amount_error(campaign, language, typed),
        proof_bits=human_check.proof_bits(),
        **page_parts(campaign, funds, language),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def campaign_page(
    campaign: Campaign,
    form: DonationForm,
    *,
    attempt: str,
    notice: Notice | None = None,
    promise: Promise | None = None,
    preview: PreviewNotice | None = None,
) -> str:
    """Render the page around a new form, or around a submitted form with its errors; without one when the campaign takes no gifts.

    `promise` is the match for this donor, when others would be quoted another one. The form of a `preview` for staff sends nothing.
    """
    language = form.language
    totals = totals_of(campaign.slug) or no_totals(campaign)
    funds = current_funds(campaign, language)
    takes_gifts = campaign.takes_gifts or preview is not None
    quoted = quote_of(campaign, funds, form.amount_text, language, is_monthly=form.frequency.data == MONTHLY, promise=promise)
    return render_template(
        "donate/campaign.html",
        campaign=campaign,
        title=campaign.title(language),
        lead=campaign.lead(language),
        head=shared_head.shared_head(campaign, language),
        story=campaign.story(language),
        takes_gifts=takes_gifts,
        preview=preview,
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        claim=match_copy.campaign_claim(funds.state, language),
        wall=shown_gifts(campaign, limit=SHOWN_ON_CAMPAIGN),
        how_it_works=match_copy.how_it_works(funds.state, language, takes_gifts=takes_gifts),
        held_while_paying=match_copy.hold_promise(funds.state, language),
        how_to_pay=match_quote.how_to_pay(language, takes_bank_debits=campaign.takes_bank_debits),
        each_month=match_copy.monthly_explanation(funds.state, language),
        progress=progress_of(campaign, totals, funds.state, language, takes_gifts=takes_gifts),
        form=form,
        errors=form.all_errors(),
        attempt=attempt,
        quoted=quoted,
        expected_match="" if quoted["match_cents"] is None else quoted["match_cents"],
        expected_for=quoted["gift_cents"] or "",
        is_for_this_donor=promise is not None,
        presets=presets_of(campaign, funds, language),
        chosen=form.amount_text,
        **_shown(campaign, language),
        notice=notice,
        check=human_check.page_values(form, attempt),
    )


def _shown(campaign: Campaign, language: str) -> dict[str, Any]:
    """The pictures and people of the page, and the bounds of a gift."""
    return {
        "picture": find_picture(campaign.picture) if campaign.picture else None,
        "picture_alt": campaign.picture_alt(language),
        "introductions": shown_introductions(campaign, language),
        "minimum": money.format_money_short(campaign.minimum_cents, language),
        "maximum": money.format_money_short(campaign.maximum_cents, language),
    }


def _campaign_by_slug_or_404(slug: str) -> Campaign:
    campaign = public_campaign(slug)
    if campaign is None:
        abort(404)
    return campaign
