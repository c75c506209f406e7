"""Absolute URLs for email, receipts and Stripe, built from `BASE_URL` and never from a request’s Host header.

Pages link to each other by route name (`url_for`). A test checks that a route serves each URL here.
"""

import re
from dataclasses import dataclass

STRIPE_WEBHOOK = "/stripe/webhook"
_BEARER = re.compile(
    r"(/(?:donations|monthly|news|access|email|funder/links|funder/reports/by-mail|staff/password)/|[?&]again=)([A-Za-z0-9_.~-]{16,})"
)
_REPORT_CHOICES = re.compile(r"https?://\S+/funder/reports/by-mail/[A-Za-z0-9_.~-]+")
# One of these is in each text that has a token which Stripe may know.
TOKEN_PATHS = (b"/donations/", b"/monthly/", b"again=")


def without_tokens(text: str) -> str:
    """The text with the tokens of its links hidden, for people who may read an email that was not sent to them."""
    return _BEARER.sub(r"\1…", text)


def report_choices_in(text: str) -> str:
    """The address of the page on which a recipient of reports chooses, in the text of an email; empty in others."""
    found = _REPORT_CHOICES.search(text)
    return found[0] if found else ""


@dataclass(frozen=True)
class Links:
    """Absolute URLs below one base URL. `language` is `en` or `fr`; a token or code grants access to its page."""

    base_url: str

    def absolute(self, path: str) -> str:
        """The URL of a path that begins with a slash."""
        return f"{self.base_url}{path}"

    def campaign_page(self, language: str, slug: str) -> str:
        """The campaign’s page."""
        return self.absolute(f"/{language}/{slug}")

    def privacy_page(self, language: str, slug: str) -> str:
        """The privacy page of the campaign’s charity."""
        return self.absolute(f"/{language}/{slug}/privacy")

    def charity_page(self, language: str, slug: str, kind: str) -> str:
        """One of the other pages of the campaign’s charity: about accessibility, refunds, or its terms."""
        return self.absolute(f"/{language}/{slug}/{kind}")

    def widget(self, language: str, slug: str) -> str:
        """The campaign’s progress, for a frame in a page of another site."""
        return self.absolute(f"/embed/{slug}?lang={language}")

    def badge(self, language: str, slug: str) -> str:
        """The campaign’s progress as a small picture."""
        return self.absolute(f"/{slug}/badge.svg?lang={language}")

    def link_picture(self, language: str, slug: str) -> str:
        """The picture that social networks show with a link to the campaign."""
        return self.absolute(f"/{language}/{slug}/og.png")

    def poster(self, language: str, slug: str) -> str:
        """The campaign’s poster, to print."""
        return self.absolute(f"/{language}/{slug}/poster.pdf")

    def site_map(self) -> str:
        """The list of public pages, for search engines."""
        return self.absolute("/sitemap.xml")

    def restart_donation(self, language: str, slug: str, token: str) -> str:
        """The campaign’s form, filled in with the details of an earlier donation."""
        return self.absolute(f"/{language}/{slug}?again={token}#give")

    def donation_page(self, language: str, token: str) -> str:
        """The donor’s page for one donation."""
        return self.absolute(f"/{language}/donations/{token}")

    def cancelled_checkout(self, language: str, token: str) -> str:
        """The page to which Stripe returns a donor who has not paid."""
        return f"{self.donation_page(language, token)}?return=cancel"

    def donor_address(self, language: str, token: str) -> str:
        """The form for the name and address that a receipt needs."""
        return f"{self.donation_page(language, token)}/address"

    def recurring_page(self, language: str, token: str) -> str:
        """The donor’s page for a recurring donation."""
        return self.absolute(f"/{language}/monthly/{token}")

    def news(self, language: str, token: str) -> str:
        """The page where a donor withdraws their consent to news, which a mail program may do with one click."""
        return self.absolute(f"/{language}/news/{token}")

    def donor_access(self, language: str, token: str) -> str:
        """The link with which a donor may change something, once."""
        return self.absolute(f"/{language}/access/{token}")

    def my_gifts(self, language: str, slug: str) -> str:
        """The page where a donor asks for the link to all their gifts; the campaign says whose name is on it."""
        return self.absolute(f"/{language}/my-gifts?campaign={slug}")

    def email_change(self, language: str, token: str) -> str:
        """The link that confirms a new email address."""
        return self.absolute(f"/{language}/email/{token}")

    def receipt_check(self, language: str, code: str) -> str:
        """The public page that says whether a receipt is valid."""
        return self.absolute(f"/{language}/receipts/check/{code}")

    def report_choices(self, token: str) -> str:
        """The page where a recipient of reports chooses, pauses or stops them, which a mail program may do with one click."""
        return self.absolute(f"/funder/reports/by-mail/{token}")

    def funder_report(self, token: str) -> str:
        """A funder’s private link to the report."""
        return self.absolute(f"/funder/links/{token}")

    def staff_password(self, token: str) -> str:
        """The page where a member of staff chooses a password."""
        return self.absolute(f"/staff/password/{token}")

    def staff_new_password(self) -> str:
        """The page where a member of staff asks for a link to choose a password."""
        return self.absolute("/staff/password")

    def card_testing(self) -> str:
        """The page of staff about card testing."""
        return self.absolute("/staff/card-testing")

    def staff_payments(self, slug: str) -> str:
        """The page of staff with the payments received for a fund."""
        return self.absolute(f"/staff/funds/{slug}/payments")

    def staff_bank_details(self) -> str:
        """The page of staff with the charity's bank details."""
        return self.absolute("/staff/charity/bank-details")

    def staff_home(self) -> str:
        """The staff dashboard."""
        return self.absolute("/staff/")

    def staff_seal(self, slug: str) -> str:
        """The page where staff seal a campaign."""
        return self.absolute(f"/staff/campaigns/{slug}/seal")

    def staff_funds(self) -> str:
        """The page where staff raise the pledges of funds."""
        return self.absolute("/staff/funds")
