"""E-mails to whoever gets a funder's reports: the figures of a period in words, with the statement attached, a milestone, and the end."""

from dataclasses import dataclass

from flask_babel import force_locale, gettext, ngettext

from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.funders.report_recipients import ReportRecipient
from campaign.mail.letters.frame import BUTTON, SMALL, Code, Paragraph, Recipient, build_email, contact_line
from campaign.matching.funds import Leftover
from campaign.outbox.deliveries import EmailContent
from campaign.reporting import published_heads
from campaign.reporting.funder_reports import FunderReport
from campaign.reporting.statements.shares import seen_by
from campaign.reporting.statements.statement import Statement
from campaign.rules.money import format_money
from campaign.rules.report_schedule import Milestone, ReportKind
from campaign.rules.shares import ShareSums
from campaign.texts.dates import format_day, format_moment
from campaign.texts.statement_words import describe_period


@dataclass(frozen=True, kw_only=True)
class ReportNews:
    """A report to a recipient, with the statement of its period, the page of the fund, and that on which the recipient chooses reports.

    Sums of a contributor's report are their share; gifts are those of the fund.
    """

    report: FunderReport
    recipient: ReportRecipient
    funder: Funder
    statement: Statement
    contributor: FundContributor | None
    page_url: str
    choices_url: str
    is_test: bool

    @property
    def _sums(self) -> ShareSums:
        """The sums at the end of the statement: of the fund, or of the contributor's share."""
        seen = seen_by(self.statement.shares, self.contributor) if self.contributor else None
        if seen is not None:
            return seen.own.sums
        closing = self.statement.closing
        names = ("pledged_cents", "held_cents", "matched_cents", "called_cents", "received_cents")
        return ShareSums(**{name: getattr(closing, name) for name in names})

    @property
    def _own(self) -> ShareSums:
        """The sums of whoever gets the report: the lead funder of several has a share too."""
        shares = self.statement.shares
        return self._sums if self.contributor or not shares else shares[0].sums

    def compose(self) -> EmailContent:
        """The e-mail, in the language of the recipient."""
        language, charity = self.recipient.language, self.statement.charity
        name = self.funder.legal_name or self.funder.name(language)
        to = Recipient(address=self.recipient.email, name=name, greeted_as=name, language=language, charity=charity, is_test=self.is_test)
        with force_locale(language):
            subject, news = self._news(language)
            paragraphs = [
                *news,
                *self._balances(language),
                Paragraph(
                    gettext("The statement with every entry is attached. All figures, day by day, are on your page:"),
                    self.page_url,
                    BUTTON,
                    gettext("Open my page"),
                ),
                contact_line(charity),
                Paragraph(
                    gettext("Choose which reports you get, or pause or stop them:"), self.choices_url, SMALL, gettext("Choose my reports")
                ),
            ]
            content = build_email(to, subject, paragraphs, code=self._code())
        return EmailContent(**{**vars(content), "funder_report_id": self.report.id})

    def _news(self, language: str) -> tuple[str, list[Paragraph]]:
        """The subject, and what is new."""
        fund, title = self.statement.names.fund_name(language), self.statement.names.campaign_title(language)
        match self.report.kind:
            case ReportKind.MILESTONE:
                return self._milestone(language, fund, title)
            case ReportKind.END:
                subject = gettext("Your matching fund has ended – %(campaign)s", campaign=title)
                return subject, [Paragraph(self._end(language, fund)), Paragraph(self._leftover(language))]
            case _:
                period = describe_period(self.report.statement_period, language)
                subject = gettext("Your matching fund: %(period)s – %(campaign)s", period=period, campaign=title)
                return subject, [Paragraph(self._in_period(language, period))]

    def _in_period(self, language: str, period: str) -> str:
        change = self.statement.closing - self.statement.opening
        amount = format_money(abs(change.matched_cents), language)
        if change.matched_cents > 0 and change.donations > 0:
            return ngettext(
                "%(period)s: your fund matched %(num)s gift with %(amount)s, after refunds.",
                "%(period)s: your fund matched %(num)s gifts with %(amount)s, after refunds.",
                change.donations,
                period=period,
                amount=amount,
            )
        if change.matched_cents > 0:
            return gettext("%(period)s: your fund matched gifts with %(amount)s more.", period=period, amount=amount)
        if change.matched_cents < 0:
            return gettext("%(period)s: refunds took %(amount)s off the match. It goes to later gifts.", period=period, amount=amount)
        return gettext("%(period)s: nothing was matched.", period=period)

    def _milestone(self, language: str, fund: str, title: str) -> tuple[str, list[Paragraph]]:
        statement, sums = self.statement, self._own
        numbers = {
            "fund": fund,
            "percent": self.report.milestone,
            "matched": format_money(sums.matched_cents, language),
            "pledged": format_money(sums.pledged_cents, language),
        }
        if self.report.milestone == Milestone.WHOLE:
            whole = ngettext(
                "Your whole pledge of %(pledged)s now goes with %(num)s gift. Thank you.",
                "Your whole pledge of %(pledged)s now goes with %(num)s gifts. Thank you.",
                statement.donations,
                **numbers,
            )
            more = gettext("If a gift is refunded, its match goes to the next gift in line.")
            return gettext("Your pledge is matched in full – %(campaign)s", campaign=title), [Paragraph(whole), Paragraph(more)]
        part = ngettext(
            "%(matched)s of your pledge of %(pledged)s goes with %(num)s gift: %(percent)s%% is reached.",
            "%(matched)s of your pledge of %(pledged)s goes with %(num)s gifts: %(percent)s%% is reached.",
            statement.donations,
            **numbers,
        )
        return gettext("%(percent)s%% of your pledge is matched – %(campaign)s", campaign=title, **numbers), [Paragraph(part)]

    def _end(self, language: str, fund: str) -> str:
        return ngettext(
            "The matching of %(fund)s is over. It matched %(num)s gift with %(matched)s. Thank you.",
            "The matching of %(fund)s is over. It matched %(num)s gifts with %(matched)s. Thank you.",
            self.statement.donations,
            fund=fund,
            matched=format_money(self.statement.matched_cents, language),
        )

    def _leftover(self, language: str) -> str:
        left = self._own.pledged_cents - self._own.matched_cents
        if not left:
            return ""
        amount = format_money(left, language)
        if self.statement.fund.leftover == Leftover.DONATED:
            return gettext("%(amount)s of your pledge was not matched. It is given all the same, as was chosen before.", amount=amount)
        return gettext("%(amount)s of your pledge was not matched, and stays with you.", amount=amount)

    def _balances(self, language: str) -> list[Paragraph]:
        """The balances at the end of the statement, a line for each."""
        closing, is_lead = self._sums, self.contributor is None
        lines = {
            gettext("Pledged"): closing.pledged_cents,
            gettext("Matched"): closing.matched_cents,
            gettext("On hold, for gifts that are not paid yet"): closing.held_cents,
            gettext("Left"): closing.left_cents,
        }
        if is_lead and closing.called_cents:
            lines[gettext("Called")] = closing.called_cents
        if is_lead:
            lines[gettext("Received from you")] = closing.received_cents
        sums = [gettext("%(name)s: %(amount)s", name=name, amount=format_money(cents, language)) for name, cents in lines.items()]
        return [Paragraph(self._as_of(language)), *(Paragraph(f"– {line}") for line in sums)]

    def _as_of(self, language: str) -> str:
        last_on = self.report.statement_period.last_on
        if last_on:
            named = {"day": format_day(last_on, language)}
            return gettext("Your share at the end of %(day)s:", **named) if self.contributor else gettext("At the end of %(day)s:", **named)
        if self.contributor:
            return gettext("Your share as of %(moment)s:", moment=format_moment(self.statement.as_of, language))
        return str(gettext("As of %(moment)s:", moment=format_moment(self.statement.as_of, language)))

    def _code(self) -> Code:
        purpose = gettext(
            "For an audit: this line shows where the statement ends in the books of your fund. With it, your auditor can check later that nothing "
            "before it was changed. Please keep it."
        )
        head = published_heads.text_of(f"fund:{self.statement.fund.id}", self.statement.entries, self.statement.head)
        return Code(purpose=purpose, code=head)
