-- The ledger, Stripe events, receipts and audit entries are append-only. The WHEN clause of a trigger says what may change of a row.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON balance_transaction FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON balance_transaction FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER transaction_is_immutable BEFORE UPDATE ON balance_transaction
    FOR EACH ROW WHEN (
        OLD.stripe_id IS DISTINCT FROM NEW.stripe_id OR OLD.type IS DISTINCT FROM NEW.type
        OR OLD.category IS DISTINCT FROM NEW.category OR OLD.cents IS DISTINCT FROM NEW.cents
        OR OLD.fee_cents IS DISTINCT FROM NEW.fee_cents OR OLD.currency IS DISTINCT FROM NEW.currency
        OR OLD.created_at IS DISTINCT FROM NEW.created_at OR OLD.source <> NEW.source
        OR OLD.payment_intent <> NEW.payment_intent OR OLD.payout <> NEW.payout OR OLD.posted_at <> NEW.posted_at
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON campaign_seal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON campaign_seal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON charity_confirmation FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON charity_confirmation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER reopened_once BEFORE UPDATE ON closed_month
    FOR EACH ROW WHEN (
        OLD.reopened_at IS NOT NULL OR OLD.id <> NEW.id OR OLD.charity_id <> NEW.charity_id OR OLD.first_on <> NEW.first_on
        OR OLD.figures <> NEW.figures OR OLD.heads <> NEW.heads OR OLD.reason <> NEW.reason OR OLD.closed_by <> NEW.closed_by
        OR OLD.closed_at <> NEW.closed_at
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON closed_month FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON closed_month FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON contact_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON declaration_document FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER ended_once BEFORE UPDATE ON delivery_attempt
    FOR EACH ROW WHEN (
        OLD.outbox_id <> NEW.outbox_id OR OLD.sha256 <> NEW.sha256 OR OLD.started_at <> NEW.started_at
        OR (OLD.outcome IS NOT NULL AND (
            OLD.outcome IS DISTINCT FROM NEW.outcome OR OLD.ended_at IS DISTINCT FROM NEW.ended_at OR NEW.answer IS DISTINCT FROM ''))
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON delivery_attempt FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON filed_gift FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON filed_gift FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON filed_return FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON fund_change FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON fund_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON bank_details FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON bank_details FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON charity_page FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON charity_page FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON call_cancellation FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON call_cancellation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON call_document FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON call_document FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON fund_call FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON fund_call FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON fund_milestone FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON fund_milestone FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON funder_report FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON funder_report FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON report_choice FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON report_choice FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON funder_payment FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON funder_payment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER decided_once BEFORE UPDATE ON funder_payment_request
    FOR EACH ROW WHEN (
        OLD.decision IS NOT NULL OR OLD.id <> NEW.id OR OLD.funder_payment_id <> NEW.funder_payment_id OR OLD.kind <> NEW.kind
        OR OLD.cents IS DISTINCT FROM NEW.cents OR OLD.received_on IS DISTINCT FROM NEW.received_on
        OR OLD.reference IS DISTINCT FROM NEW.reference OR OLD.returned_on IS DISTINCT FROM NEW.returned_on
        OR OLD.undoes_id IS DISTINCT FROM NEW.undoes_id
        OR OLD.requested_by <> NEW.requested_by OR OLD.reason <> NEW.reason OR OLD.requested_at <> NEW.requested_at
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON funder_payment_request FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON funder_payment_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON funder_payment_return FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON funder_payment_return FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON funder_payment_reversal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON funder_payment_reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON confidentiality_incident FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON confidentiality_incident FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON incident_version FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON incident_version FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON integrity_check FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON integrity_check FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON journal_account FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON journal_account FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER closed_table BEFORE INSERT OR DELETE OR UPDATE ON ledger_move FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON logo FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON logo FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON opened_sample FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON opened_sample FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER decided_once BEFORE UPDATE ON pledge_request
    FOR EACH ROW WHEN (
        OLD.decision IS NOT NULL OR OLD.id <> NEW.id OR OLD.fund_id <> NEW.fund_id OR OLD.cents <> NEW.cents
        OR OLD.requested_by <> NEW.requested_by OR OLD.reason <> NEW.reason OR OLD.requested_at <> NEW.requested_at
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON pledge_request FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON pledge_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON news_agreement FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON news_agreement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON news_withdrawal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON news_withdrawal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON privacy_act FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON privacy_request FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON privacy_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER recorded_once BEFORE UPDATE ON privacy_request
    FOR EACH ROW WHEN (
        OLD.id <> NEW.id OR OLD.charity_id <> NEW.charity_id OR OLD.kind <> NEW.kind OR OLD.received_on <> NEW.received_on
        OR OLD.due_on <> NEW.due_on OR OLD.recorded_by <> NEW.recorded_by OR OLD.recorded_at <> NEW.recorded_at
        OR (OLD.donor_id IS DISTINCT FROM NEW.donor_id AND OLD.closed_at IS NOT NULL)
        OR ((OLD.person <> NEW.person OR OLD.contact <> NEW.contact) AND (
            NEW.person <> '' OR NEW.contact <> '' OR (OLD.closed_at < now() - interval '1 year') IS NOT TRUE))
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON quarantined_payment FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON receipt FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON receipt_declaration FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON receipt_document FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER closed_once BEFORE UPDATE ON deposit FOR EACH ROW WHEN (OLD.closed_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON deposit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER recorded_once BEFORE UPDATE ON offline_gift
    FOR EACH ROW WHEN (
        OLD.donation_id <> NEW.donation_id OR OLD.method <> NEW.method OR OLD.reference <> NEW.reference OR OLD.recorded_by <> NEW.recorded_by
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON offline_gift FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON offline_gift FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON offline_reversal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON offline_reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON receipt_end FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON receipt_end FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER ended_with_receipt BEFORE UPDATE ON receipt_line
    FOR EACH ROW WHEN (
        pg_trigger_depth() = 0 OR NEW.is_current OR OLD.receipt_id <> NEW.receipt_id OR OLD.donation_id <> NEW.donation_id
        OR OLD.cents <> NEW.cents
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON receipt_line FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON receipt_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON reconciliation_finding FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON reported_reversal FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON reported_reversal FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER decided_once BEFORE UPDATE ON seal_request
    FOR EACH ROW WHEN (
        OLD.decision IS NOT NULL OR OLD.id <> NEW.id OR OLD.campaign_id <> NEW.campaign_id
        OR OLD.requested_by <> NEW.requested_by OR OLD.reason <> NEW.reason OR OLD.requested_at <> NEW.requested_at
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON seal_request FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON seal_request FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON signature FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER event_is_immutable BEFORE UPDATE ON stripe_event
    FOR EACH ROW WHEN (
        OLD.event_id <> NEW.event_id OR OLD.type <> NEW.type OR OLD.received_at <> NEW.received_at
        OR OLD.livemode <> NEW.livemode OR OLD.subject <> NEW.subject
        OR ((OLD.body <> NEW.body OR OLD.body_sha256 IS DISTINCT FROM NEW.body_sha256) AND (
            OLD.done_at IS NULL OR OLD.body_sha256 IS NOT NULL OR NEW.body_sha256 IS DISTINCT FROM sha256(OLD.body)
            OR NEW.body <> erased_event_body(OLD.body)))
        OR (OLD.body_sha256 IS NOT NULL AND NEW.done_at IS NULL)
    )
    EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE ON stripe_event FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON stripe_event FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON published_head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON published_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON stated_name FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON stated_name FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON statement_document FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON statement_document FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON statement_signature FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON statement_signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR UPDATE ON undone_payment_return FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER never_truncated BEFORE TRUNCATE ON undone_payment_return FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A note is replaced by another one. Of a person who is erased, its text becomes empty.
CREATE OR REPLACE TRIGGER text_is_only_erased BEFORE UPDATE ON staff_note
    FOR EACH ROW WHEN (NEW.text <> OLD.text AND NEW.text <> '') EXECUTE FUNCTION refuse_change();
