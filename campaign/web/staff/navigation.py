"""The sections of staff's pages, and the pages of each, as the navigation on every page shows them to a member."""

from dataclasses import dataclass

from flask import request, url_for
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from campaign.staff.members import ADMIN


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A page that the navigation leads to, for members with at least this role. Its blueprint's other pages are under it.

    `words` are what people call it or do there, for the search (page_search.py).
    """

    label: LazyString
    endpoint: str
    role: str = "viewer"
    words: LazyString | str = ""

    @property
    def blueprint(self) -> str:
        """The blueprint of the page."""
        return self.endpoint.partition(".")[0]

    @property
    def is_current(self) -> bool:
        """Whether it is the page that is shown."""
        return bool(request.endpoint == self.endpoint)

    @property
    def url(self) -> str:
        """Its address."""
        return url_for(self.endpoint)


@dataclass(frozen=True, kw_only=True)
class Section:
    """Pages that belong together; the first one that a member may see opens the section. `others` are blueprints of pages under it."""

    label: LazyString
    pages: tuple[Destination, ...]
    others: frozenset[str] = frozenset()

    @property
    def is_current(self) -> bool:
        """Whether the page that is shown belongs to the section."""
        return request.blueprint in {*self.others, *(page.blueprint for page in self.pages)}


SECTIONS = (
    Section(label=lazy_gettext("Home"), pages=(Destination(label=lazy_gettext("Home"), endpoint="staff_dashboard.page"),)),
    Section(
        label=lazy_gettext("Donations"),
        pages=(
            Destination(
                label=lazy_gettext("All donations"),
                endpoint="staff_donation_list.page",
                words=lazy_gettext("gifts, list of donations, who gave, refund a gift, cheque number"),
            ),
            Destination(
                label=lazy_gettext("Offline gifts"),
                endpoint="staff_offline_gifts.page",
                words=lazy_gettext("cheque, cash, Interac e-Transfer, bank transfer, record a gift, bounced cheque, NSF"),
            ),
            Destination(
                label=lazy_gettext("Import"), endpoint="staff_imports.index", words=lazy_gettext("upload a file of gifts, CSV, Excel")
            ),
            Destination(
                label=lazy_gettext("Deposits"),
                endpoint="staff_deposits.index",
                words=lazy_gettext("deposit slip, take cheques to the bank, undeposited"),
            ),
            Destination(
                label=lazy_gettext("To print and post"),
                endpoint="staff_posted_receipts.page",
                words=lazy_gettext("print and post receipts, no email address"),
            ),
            Destination(
                label=lazy_gettext("Messages for the funder"),
                endpoint="staff_messages.page",
                words=lazy_gettext("thanks of donors, show a message to the funder"),
            ),
            Destination(
                label=lazy_gettext("Wall of gifts"),
                endpoint="staff_wall.page",
                words=lazy_gettext("who gave, names shown in public, moderate names, thank donors in public"),
            ),
            Destination(
                label=lazy_gettext("Exports"),
                endpoint="staff_exports.page",
                words=lazy_gettext("download, spreadsheet, Excel, CSV, list of consents"),
                role="manager",
            ),
        ),
        others=frozenset(
            {
                *(
                    "staff_donations",
                    "staff_corrections",
                    "staff_refunds",
                    "staff_donation_views",
                    "staff_search",
                    "staff_offline_reversals",
                    "staff_offline_gift_exports",
                ),
                *("staff_import_preview", "staff_import_rows", "staff_import_undo"),
            }
        ),
    ),
    Section(
        label=lazy_gettext("Donors"),
        pages=(
            Destination(
                label=lazy_gettext("All donors"),
                endpoint="staff_donor_list.page",
                words=lazy_gettext("people, supporters, addresses, list of donors, monthly gifts"),
            ),
        ),
        others=frozenset({"staff_donors", "staff_donor_merges", "staff_donor_choices", "staff_donor_monthly", "staff_notes"}),
    ),
    Section(
        label=lazy_gettext("Receipts"),
        pages=(
            Destination(
                label=lazy_gettext("Register"),
                endpoint="staff_receipts.register",
                words=lazy_gettext("official receipts, tax receipts, serial numbers, lost receipt, duplicate"),
            ),
            Destination(
                label=lazy_gettext("Returns (T3010, TP-985.22)"),
                endpoint="staff_returns.page",
                words=lazy_gettext("fiscal year, tax return, CRA, Revenu Québec, information return of the charity"),
            ),
            Destination(
                label=lazy_gettext("Returned gifts"),
                endpoint="staff_information_returns.page",
                words=lazy_gettext("refunded gifts, information return to the CRA, within 90 days"),
            ),
        ),
        others=frozenset({"staff_return_gifts"}),
    ),
    Section(
        label=lazy_gettext("Funds"),
        pages=(
            Destination(
                label=lazy_gettext("Matching funds"),
                endpoint="staff_funds.page",
                words=lazy_gettext("pledge, match, raise a pledge, pause, balance of a fund"),
            ),
            Destination(
                label=lazy_gettext("Matching on hold"),
                endpoint="staff_holds.page",
                words=lazy_gettext("held match, unpaid checkouts, reserved"),
            ),
        ),
        others=frozenset(
            {
                "staff_final_account",
                "staff_fund",
                "staff_fund_calls",
                "staff_fund_contributors",
                "staff_fund_edit",
                "staff_fund_introduction",
                "staff_funder_details",
                "staff_funder_reports",
                "staff_payment_requests",
                "staff_payments",
                "staff_statements",
            }
        ),
    ),
    Section(
        label=lazy_gettext("Funders"),
        pages=(
            Destination(
                label=lazy_gettext("Links of funders"),
                endpoint="staff_funders.page",
                words=lazy_gettext("report of a funder, access, revoke a link"),
                role="manager",
            ),
        ),
    ),
    Section(
        label=lazy_gettext("Money"),
        pages=(
            Destination(
                label=lazy_gettext("Money at Stripe"),
                endpoint="staff_settlement.page",
                words=lazy_gettext("payouts, fees, balance, reconciliation, bank"),
            ),
            Destination(
                label=lazy_gettext("Months"), endpoint="staff_months.page", words=lazy_gettext("close a month, closing, reopen a month")
            ),
            Destination(
                label=lazy_gettext("Journal"),
                endpoint="staff_journal.page",
                words=lazy_gettext("bookkeeping, accounting, accountant, QuickBooks, Xero, export of the journal"),
            ),
            Destination(
                label=lazy_gettext("Accounts"),
                endpoint="staff_journal_accounts.page",
                words=lazy_gettext("chart of accounts, account codes, tax codes"),
            ),
            Destination(
                label=lazy_gettext("Payments in quarantine"),
                endpoint="staff_quarantine.page",
                words=lazy_gettext("suspicious payment, accept or refund a payment"),
            ),
            Destination(
                label=lazy_gettext("Events from Stripe"),
                endpoint="staff_failed_events.dead",
                words=lazy_gettext("webhook, events that failed, handle again"),
            ),
        ),
    ),
    Section(
        label=lazy_gettext("Email"),
        pages=(
            Destination(
                label=lazy_gettext("Email"), endpoint="staff_mail.page", words=lazy_gettext("failed emails, bounces, send again, messages")
            ),
        ),
    ),
    Section(
        label=lazy_gettext("Settings"),
        pages=(
            Destination(
                label=lazy_gettext("Campaigns"),
                endpoint="staff_campaigns.page",
                words=lazy_gettext("goal, pictures, texts, donation form, new campaign"),
            ),
            Destination(
                label=lazy_gettext("The charity’s details"),
                endpoint="staff_charity.page",
                words=lazy_gettext("legal name, address, phone, website, registration number, year end, signature, logo, signatory"),
            ),
            Destination(
                label=lazy_gettext("Texts of public pages"),
                endpoint="staff_charity_pages.page",
                words=lazy_gettext("terms, refund policy, accessibility statement, privacy policy"),
            ),
            Destination(
                label=lazy_gettext("Members of staff"),
                endpoint="staff_members.page",
                words=lazy_gettext("colleagues, users, roles, invite, permissions, access"),
                role=ADMIN,
            ),
            Destination(label=lazy_gettext("Audit trail"), endpoint="staff_audit.page", words=lazy_gettext("history, log, who did what")),
            Destination(
                label=lazy_gettext("Privacy requests"),
                endpoint="staff_privacy_requests.page",
                words=lazy_gettext("erase a person, erasure, export all about a person, Law 25, PIPEDA, retention"),
            ),
            Destination(
                label=lazy_gettext("Confidentiality incidents"),
                endpoint="staff_incidents.page",
                words=lazy_gettext("breach, leak, data lost or stolen, Law 25"),
            ),
            Destination(
                label=lazy_gettext("Card testing"),
                endpoint="staff_card_testing.page",
                words=lazy_gettext("fraud, attack, declined cards, guard"),
            ),
            Destination(
                label=lazy_gettext("Your account"),
                endpoint="staff_account.page",
                words=lazy_gettext("password, passkey, authenticator app, sign out, language, recovery codes"),
            ),
        ),
        others=frozenset(
            {
                *(
                    "staff_campaign_edit",
                    "staff_campaign_seal",
                    "staff_bank_details",
                    "staff_charity_details",
                    "staff_charity_versions",
                    "staff_charity_settings",
                    "staff_page_logo",
                    "staff_privacy_erasure",
                    "staff_privacy_request_exports",
                    "staff_retention",
                ),
                *("staff_factors", "staff_passkeys", "staff_password"),
            }
        ),
    ),
)
