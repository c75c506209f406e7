"""Donation campaigns of a charity, with matching funds. `create_app` is the only function that knows all parts of the service."""

import sentry_sdk
from flask import Flask
from sentry_sdk.types import Event, Hint
from werkzeug.middleware.proxy_fix import ProxyFix

from campaign import logs
from campaign.config import PACKAGE, Settings, read_settings, resource
from campaign.edges import wakeups
from campaign.edges.db import db
from campaign.edges.links import Links, without_tokens
from campaign.edges.pdf_signing import KeyFile
from campaign.edges.secret_keys import SecretKeys
from campaign.edges.services import Services
from campaign.edges.stripe.account import StripeAccount
from campaign.edges.stripe.balance import StripeBalance
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.stripe.subscriptions import StripeSubscriptions
from campaign.edges.wakeups import Waker
from campaign.operations import heartbeats  # noqa: F401  # registers its table
from campaign.staff import audit  # noqa: F401  # registers its table
from campaign.stripe_sync import cursors  # noqa: F401  # registers its table
from campaign.web import api, assets, chosen_campaign, errors, health, languages, malformed, security
from campaign.web.flask_settings import flask_settings
from campaign.web.funder import calls as funder_calls
from campaign.web.funder import report
from campaign.web.funder import reports as funder_reports
from campaign.web.funder import statements as funder_statements
from campaign.web.public import (
    campaigns,
    contact_page,
    donate,
    donation_page,
    donor_access,
    message_page,
    news_page,
    pictures,
    privacy_page,
    receipt_page,
    recurring_page,
    shared_files,
    site_map,
    wall,
    wall_choice,
    widget,
)
from campaign.web.staff import (
    account,
    audit_trail,
    bank_details,
    campaign_edit,
    campaign_seal,
    card_testing,
    charity,
    charity_details,
    charity_settings,
    charity_versions,
    confirm,
    corrections,
    dashboard,
    declarations,
    donation_list,
    donation_views,
    donor_choices,
    donor_list,
    donor_merges,
    donor_monthly,
    export_page,
    failed_events,
    final_account,
    fund,
    fund_calls,
    fund_contributors,
    fund_edit,
    funder_details,
    import_preview,
    import_rows,
    import_undo,
    imports,
    incidents,
    information_returns,
    members,
    own_factors,
    own_passkeys,
    own_password,
    payment_requests,
    payments,
    privacy_erasure,
    privacy_request_exports,
    privacy_requests,
    refunds,
    retention,
    search,
    settlement,
    shown_sections,
    sign_in,
    typed_fields,
)
from campaign.web.staff import campaigns as staff_campaigns
from campaign.web.staff import deposits as staff_deposits
from campaign.web.staff import donations as staff_donations
from campaign.web.staff import donors as staff_donors
from campaign.web.staff import funder_reports as staff_funder_reports
from campaign.web.staff import funders as staff_funders
from campaign.web.staff import funds as staff_funds
from campaign.web.staff import holds as staff_holds
from campaign.web.staff import journal as staff_journal
from campaign.web.staff import journal_accounts as staff_journal_accounts
from campaign.web.staff import mail as staff_mail
from campaign.web.staff import messages as staff_messages
from campaign.web.staff import months as staff_months
from campaign.web.staff import notes as staff_notes
from campaign.web.staff import offline_gift_exports as staff_offline_gift_exports
from campaign.web.staff import offline_gifts as staff_offline_gifts
from campaign.web.staff import offline_reversals as staff_offline_reversals
from campaign.web.staff import posted_receipts as staff_posted_receipts
from campaign.web.staff import quarantine as staff_quarantine
from campaign.web.staff import receipts as staff_receipts
from campaign.web.staff import return_gift_list as staff_return_gifts
from campaign.web.staff import returns as staff_returns
from campaign.web.staff import statements as staff_statements
from campaign.web.staff import wall as staff_wall
from campaign.web.stripe_webhook import WebhookEndpoint

PAGES = (
    campaigns,
    donate,
    donation_page,
    donor_access,
    contact_page,
    receipt_page,
    recurring_page,
    api,
    health,
    report,
    funder_calls,
    funder_reports,
    funder_statements,
    dashboard,
    account,
    own_factors,
    own_passkeys,
    own_password,
    members,
    card_testing,
    pictures,
    staff_campaigns,
    campaign_edit,
    campaign_seal,
    charity,
    charity_details,
    charity_settings,
    bank_details,
    donation_list,
    donation_views,
    search,
    export_page,
    audit_trail,
    charity_versions,
    staff_donations,
    corrections,
    donor_list,
    staff_donors,
    donor_merges,
    donor_choices,
    donor_monthly,
    staff_messages,
    staff_notes,
    privacy_requests,
    privacy_request_exports,
    privacy_erasure,
    incidents,
    retention,
    privacy_page,
    message_page,
    news_page,
    wall,
    wall_choice,
    staff_wall,
    shared_files,
    site_map,
    widget,
    refunds,
    declarations,
    staff_funder_reports,
    staff_funders,
    failed_events,
    staff_funds,
    staff_statements,
    fund_contributors,
    fund_edit,
    fund,
    fund_calls,
    final_account,
    funder_details,
    payments,
    payment_requests,
    staff_deposits,
    staff_holds,
    staff_offline_gifts,
    staff_offline_gift_exports,
    staff_offline_reversals,
    imports,
    import_preview,
    import_rows,
    import_undo,
    staff_posted_receipts,
    staff_quarantine,
    settlement,
    staff_journal,
    staff_journal_accounts,
    staff_months,
    staff_receipts,
    staff_return_gifts,
    staff_returns,
    information_returns,
    staff_mail,
)


def create_app(settings: Settings | None = None) -> Flask:
    """Create the WSGI app with these settings, or with those of the environment. Raises SettingsError."""
    settings = settings or read_settings()
    logs.configure(settings.log_level)
    if settings.sentry_dsn:
        # Without local variables and bodies: they hold names, addresses and keys.
        sentry_sdk.init(
            dsn=settings.sentry_dsn, include_local_variables=False, max_request_body_size="never", before_send=_without_request_details
        )
    app = Flask("campaign", template_folder=str(resource("templates")), static_folder=str(PACKAGE / "web" / "static"))
    keys = SecretKeys(secret=settings.secret_key, fallbacks=settings.earlier_secret_keys)
    app.config.update(flask_settings(settings, keys))
    app.wsgi_app = ProxyFix(app.wsgi_app, *[settings.proxy_hops] * 3)  # type: ignore[method-assign]  # as Flask documents it
    db.init_app(app)
    wakeups.configure(settings.redis_url)
    app.extensions["services"] = Services(
        settings=settings,
        keys=keys,
        links=Links(settings.base_url),
        stripe_payments=StripePayments(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_balance=StripeBalance(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_subscriptions=StripeSubscriptions(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        stripe_account=StripeAccount(secret_key=settings.stripe_secret_key, api_base=settings.stripe_api_base),
        waker=Waker(settings.redis_url),
        signing_key=KeyFile(path=settings.key_path),
    )
    assets.init_app(app)
    malformed.init_app(app)
    languages.init_app(app)
    chosen_campaign.init_app(app)
    errors.init_app(app)
    typed_fields.init_app(app)
    shown_sections.init_app(app)
    sign_in.init_app(app, settings, keys)  # Before the access check, which needs the signed-in member.
    security.init_app(app, settings, confirm=confirm.confirm_from_form)
    for module in PAGES:
        app.register_blueprint(module.bp)
    app.extensions["stripe_webhook"] = app.wsgi_app = WebhookEndpoint(app, app.wsgi_app)  # type: ignore[method-assign]
    return app


def _without_request_details(event: Event, _hint: Hint) -> Event:
    """What is reported to Sentry: of the request only its method and its address, whose tokens are hidden."""
    request = event.get("request", {})
    event["request"] = {"method": request.get("method", ""), "url": without_tokens(str(request.get("url", "")))}
    return event
