"""Checks for checker.py of the charity on receipts: I16, that it got the gift, and that what is printed for real money was confirmed by somebody."""

from collections.abc import Iterator

from sqlalchemy import Connection

from campaign.reporting.integrity.snapshot import rows


def _details_are_confirmed_by_somebody(snapshot: Connection) -> Iterator[str]:
    """Confirmations from before have no details, nor those of before samples a fingerprint."""
    for name, moment in rows(
        snapshot,
        """
        SELECT h.legal_name, h.confirmed_at FROM charity h WHERE h.confirmed_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM charity_confirmation c WHERE c.charity_id = h.id AND c.at = h.confirmed_at
              AND NOT EXISTS (SELECT FROM jsonb_each(c.details) d
                              WHERE coalesce(nullif(to_jsonb(h) -> d.key, 'null'), '""') IS DISTINCT FROM d.value)
              AND ((c.fingerprint = '' AND c.details IS NULL) OR c.fingerprint = left(encode(sha256(
                convert_to(array_to_string(ARRAY[h.legal_name, h.name_en, h.name_fr, array_to_string(h.address, E'\\n'), h.registration_number,
                    h.place_of_issue, h.signatory_name, h.signatory_title_en, h.signatory_title_fr, coalesce(h.signature, ''), h.logo],
                    chr(31)), 'UTF8')), 'hex'), 12)))
        """,
    ):
        yield f"I16: nobody has confirmed the details of {name} as they are, though they are marked as confirmed at {moment}."


def _confirmed_samples_were_opened(snapshot: Connection) -> Iterator[str]:
    """Whoever confirmed had opened samples of these details in both languages, and the audit trail says who it was."""
    for actor, moment in rows(
        snapshot,
        """
        SELECT c.actor, c.at FROM charity_confirmation c WHERE c.details IS NOT NULL AND (
            (SELECT count(DISTINCT o.language) FROM opened_sample o WHERE o.charity_id = c.charity_id AND o.opened_by = c.opened_by
                AND o.fingerprint = c.fingerprint AND o.at <= c.at) < 2
            OR NOT EXISTS (SELECT FROM audit_entry a WHERE a.action = 'confirmed the charity''s details' AND a.actor = c.actor AND a.at = c.at
                AND a.detail ->> 'fingerprint' = c.fingerprint))
        """,
    ):
        yield f"I16: {actor} confirmed the details of the charity at {moment} without opening the samples of them, or outside the audit trail."


def _receipts_state_what_was_confirmed(snapshot: Connection) -> Iterator[str]:
    """A receipt for real money names a confirmation, and prints what was confirmed. A confirmation from before has no details to compare."""
    for (serial,) in rows(
        snapshot,
        """
        SELECT r.serial FROM receipt r LEFT JOIN charity_confirmation c ON c.id = r.confirmation_id AND c.charity_id = r.charity_id
        CROSS JOIN LATERAL (SELECT c.details ->> 'signatory_title_en' AS en, c.details ->> 'signatory_title_fr' AS fr) t
        WHERE r.content ->> 'is_test' = 'false' AND NOT r.predates_confirmations AND (c.id IS NULL OR (c.details IS NOT NULL AND (
            r.content ->> 'charity_name', r.content -> 'charity_address', r.content ->> 'registration_number', r.content ->> 'place_of_issue',
            r.content ->> 'signatory_name', r.content ->> 'signature', r.content ->> 'logo', r.content ->> 'signatory_title'
        ) IS DISTINCT FROM (
            c.details ->> 'legal_name', c.details -> 'address', replace(c.details ->> 'registration_number', ' ', ''),
            c.details ->> 'place_of_issue', c.details ->> 'signatory_name', c.details ->> 'signature', c.details ->> 'logo',
            CASE WHEN r.content ->> 'is_bilingual' = 'true' AND t.en <> t.fr AND r.content ->> 'language' = 'fr' THEN t.fr || ' / ' || t.en
                 WHEN r.content ->> 'is_bilingual' = 'true' AND t.en <> t.fr THEN t.en || ' / ' || t.fr
                 WHEN r.content ->> 'language' = 'fr' THEN t.fr ELSE t.en END)))
        """,
    ):
        yield f"I16: receipt {serial} is for real money, but nobody had confirmed the details of the charity that it prints."


def _tests_are_not_of_real_money(snapshot: Connection) -> Iterator[str]:
    """Receipts that were frozen without `is_test` were all tests."""
    for serial, said in rows(
        snapshot,
        """
        SELECT DISTINCT r.serial, v.is_test FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id
        LEFT JOIN donation d ON d.id = g.donation_id LEFT JOIN funder_payment p ON p.id = g.funder_payment_id
        CROSS JOIN LATERAL (SELECT coalesce((r.content ->> 'is_test')::boolean, true) AS is_test) v
        WHERE v.is_test = coalesce(d.livemode, p.livemode)
        """,
    ):
        yield f"I16: receipt {serial} {'is marked as a test, but is for real money' if said else 'is not marked as a test, but is for no real money'}."


def _receipts_are_of_the_charity_that_got_the_gift(snapshot: Connection) -> Iterator[str]:
    for serial, printed, name in rows(
        snapshot,
        """
        SELECT r.serial, h.legal_name, c.slug FROM receipt_line g JOIN receipt r ON r.id = g.receipt_id JOIN charity h ON h.id = r.charity_id
        LEFT JOIN donation d ON d.id = g.donation_id LEFT JOIN funder_payment p ON p.id = g.funder_payment_id
        LEFT JOIN fund f ON f.id = p.fund_id JOIN campaign c ON c.id = coalesce(d.campaign_id, f.campaign_id)
        WHERE c.charity_id <> r.charity_id
        """,
    ):
        yield f"I16: receipt {serial} is of {printed}, but its gift was to the campaign {name} of another charity."


CHECKS = (
    _receipts_are_of_the_charity_that_got_the_gift,
    _details_are_confirmed_by_somebody,
    _receipts_state_what_was_confirmed,
    _tests_are_not_of_real_money,
)
CHECKS_OF_ALL = (_confirmed_samples_were_opened,)
