-- Moves the balances of funds, donations and campaigns by the sums of the entries of one statement; nothing else may change them.
-- The planner settings force index scans: the transition table has no statistics.
CREATE OR REPLACE FUNCTION move_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    UPDATE fund f SET
        pledged_cents = f.pledged_cents + s.pledged,
        held_cents = f.held_cents + s.held,
        matched_cents = f.matched_cents + s.matched,
        chain_entries = s.last_position,
        chain_hash = s.last_hash
    FROM (
        SELECT fund_id, sum(account_change('outside', to_account, from_account, cents))::bigint AS pledged,
               sum(account_change('held', from_account, to_account, cents))::bigint AS held,
               sum(account_change('matched', from_account, to_account, cents))::bigint AS matched,
               max(position) AS last_position, (array_agg(hash ORDER BY position DESC))[1] AS last_hash
        FROM posted WHERE fund_id IS NOT NULL GROUP BY fund_id) s
    WHERE f.id = s.fund_id;
    IF NOT EXISTS (SELECT FROM posted WHERE fund_id IS NULL) THEN
        RETURN NULL;
    END IF;
    UPDATE donation d SET net_cents = d.net_cents + s.given FROM (
        SELECT donation_id, sum(account_change('donations', to_account, from_account, cents))::bigint AS given
        FROM posted WHERE 'donations' IN (from_account, to_account) GROUP BY donation_id) s
    WHERE d.id = s.donation_id;
    WITH new_donor AS (
        INSERT INTO campaign_donor
        SELECT p.campaign_id, d.donor_id FROM posted p JOIN donation d ON d.id = p.donation_id
        WHERE p.kind = 'donation' ON CONFLICT DO NOTHING RETURNING campaign_id
    ), lost_donor AS (
        -- Of a gift that turned out not to be one, the donor counts only for other gifts.
        DELETE FROM campaign_donor c USING posted p, donation d
        WHERE p.kind = 'offline_reversal' AND d.id = p.donation_id AND c.campaign_id = p.campaign_id AND c.donor_id = d.donor_id
          AND NOT EXISTS (SELECT FROM donation o WHERE o.donor_id = d.donor_id AND o.campaign_id = p.campaign_id AND has_given(o.id))
        RETURNING c.campaign_id
    )
    UPDATE campaign_totals t SET
        donated_cents = t.donated_cents + s.given,
        covered_fee_cents = t.covered_fee_cents + s.covered,
        fee_cents = t.fee_cents + s.fees,
        donations = t.donations + s.donations,
        donors = t.donors + (SELECT count(*) FROM new_donor n WHERE n.campaign_id = t.campaign_id)
                          - (SELECT count(*) FROM lost_donor n WHERE n.campaign_id = t.campaign_id),
        offline_cents = t.offline_cents + s.offline,
        chain_entries = s.last_position,
        chain_hash = s.last_hash
    FROM (
        SELECT campaign_id, count(*) FILTER (WHERE kind = 'donation') - count(*) FILTER (WHERE kind = 'offline_reversal') AS donations,
               coalesce(sum(account_change('bank', from_account, to_account, cents)) FILTER (WHERE 'donations' IN (from_account, to_account)), 0)::bigint
                   AS offline,
               sum(account_change('donations', to_account, from_account, cents))::bigint AS given,
               sum(account_change('covered_fees', to_account, from_account, cents))::bigint AS covered,
               sum(account_change('fees', from_account, to_account, cents))::bigint AS fees,
               max(position) AS last_position, (array_agg(hash ORDER BY position DESC))[1] AS last_hash
        FROM posted WHERE fund_id IS NULL GROUP BY campaign_id) s
    WHERE t.campaign_id = s.campaign_id;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION move_balances FROM PUBLIC;

CREATE OR REPLACE TRIGGER move_balances AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT
    EXECUTE FUNCTION move_balances();
