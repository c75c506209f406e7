"""I16: what is stored of funders' statements is what was stored, and the names that they state are those that were in force."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.edges.pdf_signing import Signature
from campaign.reporting.integrity.snapshot import rows


def documents_have_their_hashes(snapshot: Connection) -> Iterator[str]:
    """Each stored PDF has the hash that was stored with it."""
    for slug, period, language in rows(
        snapshot,
        """
        SELECT f.slug, d.period, d.language FROM statement_document d JOIN fund f ON f.id = d.fund_id
        WHERE d.sha256 <> sha256(d.pdf) ORDER BY 1, 2, 3
        """,
    ):
        yield f"I16: the statement {period} of fund {slug} ({language}) does not have the stored hash."


def signatures_are_right(snapshot: Connection) -> Iterator[str]:
    """Each stored signature is of what was signed, by the key of the certificate beside it."""
    for slug, period, digest, certificate, value in rows(
        snapshot,
        """
        SELECT f.slug, s.period, s.sha256, s.certificate, s.signature FROM statement_signature s JOIN fund f ON f.id = s.fund_id ORDER BY 1, 2
        """,
    ):
        assert isinstance(digest, bytes)
        assert isinstance(value, bytes)
        if not Signature(certificate=str(certificate), value=value).is_of(digest.hex().encode()):
            yield f"I16: the signature of the statement {period} of fund {slug} is not of what was signed."


def names_are_those_in_force(snapshot: Connection) -> Iterator[str]:
    """The last stated names of each charity, campaign, fund and funder are its names, and their moments never decrease."""
    for subject, subject_id in rows(
        snapshot,
        """
        WITH named AS (
            SELECT 'charity' AS subject, id, to_jsonb(c) AS now FROM charity c UNION ALL SELECT 'campaign', id, to_jsonb(c) FROM campaign c
            UNION ALL SELECT 'fund', id, to_jsonb(f) FROM fund f UNION ALL SELECT 'funder', id, to_jsonb(f) FROM funder f),
        stated AS (
            SELECT subject, subject_id, facts, at, lag(at) OVER w AS before, lead(id) OVER w IS NULL AS is_last
            FROM stated_name WINDOW w AS (PARTITION BY subject, subject_id ORDER BY id))
        SELECT n.subject, n.id FROM named n LEFT JOIN stated s ON s.subject = n.subject AND s.subject_id = n.id AND s.is_last
        WHERE s.facts IS NULL OR EXISTS (SELECT FROM jsonb_each(s.facts) f WHERE n.now -> f.key IS DISTINCT FROM f.value)
        UNION SELECT subject, subject_id FROM stated WHERE at < before ORDER BY 1, 2
        """,
    ):
        yield f"I16: the names that statements state of {subject} {subject_id} are not those that it had."


CHECKS_OF_ALL = (documents_have_their_hashes, signatures_are_right, names_are_those_in_force)
