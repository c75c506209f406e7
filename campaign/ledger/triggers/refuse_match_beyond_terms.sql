-- A hold or match must be within the donation and within every term of its fund. The constraint name says which one is broken.
CREATE OR REPLACE FUNCTION refuse_match_beyond_terms() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    broken record;
BEGIN
    SELECT c.reference, c.rule INTO broken FROM (
        SELECT p.id, p.reference, CASE
            WHEN d.campaign_id <> p.campaign_id THEN 'match_is_of_the_campaign'
            WHEN NOT d.is_matchable THEN 'donation_is_matchable'
            WHEN p.kind = 'hold' AND d.authorized_at IS NOT NULL THEN 'hold_is_before_payment'
            WHEN p.kind = 'match' AND d.net_cents = 0 AND m.matched_cents > 0 THEN 'matched_is_paid'
            WHEN g.covered > CASE p.kind WHEN 'hold' THEN d.amount_cents ELSE d.net_cents END THEN 'within_gift'
            WHEN d.amount_cents < f.minimum_cents THEN 'above_minimum'
            WHEN p.kind = 'hold' AND f.held_cents > (f.pledged_cents - f.matched_cents + s.matched) * c.hold_share_percent / 100 THEN 'within_share'
            WHEN p.kind = 'hold' AND m.held_cents > greatest(f.pledged_cents * c.hold_checkout_percent / 100, c.hold_checkout_cents)
                THEN 'within_checkout_limit'
            WHEN m.held_cents + m.matched_cents > f.per_donation_cents THEN 'within_donation_cap'
            -- What was held before two donors were merged is honoured, though together they have more than the cap of one.
            WHEN p.from_account = 'available' AND o.cents > f.per_donor_cents THEN 'within_donor_cap'
            WHEN p.from_account = 'available' AND (f.activated_at IS NULL OR f.paused_at IS NOT NULL) THEN 'fund_gives'
            WHEN p.from_account = 'available' AND NOT coalesce(
                fund_is_open(f, CASE p.kind WHEN 'hold' THEN now() ELSE d.authorized_at END), false) THEN 'within_window'
            WHEN p.from_account = 'held' AND NOT hold_is_honoured(f, d.authorized_at, d.checkout_expires_at) THEN 'within_hold'
        END AS rule
        FROM posted p
        JOIN donation d ON d.id = p.donation_id
        JOIN campaign c ON c.id = d.campaign_id
        JOIN fund f ON f.id = p.fund_id
        JOIN donation_match m ON m.donation_id = p.donation_id AND m.fund_id = p.fund_id
        LEFT JOIN donor_match o ON o.fund_id = p.fund_id AND o.donor_id = d.donor_id
        -- What was matched in the same statement may have been left when the hold was decided.
        CROSS JOIN LATERAL (
            SELECT CASE p.kind WHEN 'hold' THEN coalesce(sum(q.cents), 0) END AS matched
            FROM posted q WHERE p.kind = 'hold' AND q.fund_id = p.fund_id AND q.kind = 'match') s
        CROSS JOIN LATERAL (
            SELECT sum(ceil((a.held_cents + a.matched_cents) * b.ratio_denominator::numeric / b.ratio_numerator)) AS covered
            FROM donation_match a JOIN fund b ON b.id = a.fund_id WHERE a.donation_id = p.donation_id) g
        WHERE p.kind IN ('hold', 'match')) c
    WHERE c.rule IS NOT NULL ORDER BY c.id LIMIT 1;
    IF FOUND THEN
        PERFORM require(false, broken.rule, broken.reference);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER within_terms AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_match_beyond_terms();
