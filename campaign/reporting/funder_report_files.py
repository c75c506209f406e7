"""The statement that is attached to a report: the one that is stored of its period, in the language of the recipient."""

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.smtp import Attachment, MailDeferred
from campaign.funders import contributors
from campaign.funders.contributors import FundContributor
from campaign.funders.report_recipients import ReportRecipient
from campaign.matching.funds import Fund
from campaign.reporting import statement_actions
from campaign.reporting.funder_reports import FunderReport
from campaign.reporting.statements.statement import StatementEnd
from campaign.texts.file_names import Document, file_name


def end_of(report: FunderReport) -> StatementEnd:
    """What the statement covers. Commits. Raises MailDeferred while our clock says that the period is not over: it was fast when the report was due."""
    end = statement_actions.take_end(db.session.get_one(Fund, report.fund_id), report.statement_period)
    if not end.is_finished:
        raise MailDeferred(f"the period {report.period} is not over")
    return end


def contributor_of(report: FunderReport) -> FundContributor | None:
    """The contributor whose recipient gets the report; None for the lead funder's."""
    recipient = db.session.get_one(ReportRecipient, report.recipient_id)
    return contributors.contributor_of_funder(db.session.get_one(Fund, report.fund_id), recipient.funder_id)


def get_or_render_statement(report: FunderReport, language: str) -> Attachment:
    """The file, as whoever gets the report sees the fund: its lead funder or a contributor. Commits. Raises RenderingFailed, SigningKeyMissing and MailDeferred."""
    fund, end = db.session.get_one(Fund, report.fund_id), end_of(report)
    name = file_name(Document.STATEMENT, fund.slug, report.period, language=language, extension="pdf")
    is_test, contributor = services().settings.is_sandbox, contributor_of(report)
    document = statement_actions.get_or_render_pdf(fund, end, language, is_test=is_test, contributor=contributor)
    return Attachment(name=name, mime_type="application/pdf", content=document)
