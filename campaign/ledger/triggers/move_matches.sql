-- Moves what each fund holds and has matched for each donation, and for each donor where the fund has a cap per donor.
CREATE OR REPLACE FUNCTION move_matches() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM posted WHERE fund_id IS NOT NULL AND donation_id IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    UPDATE donation_match m SET
        held_cents = m.held_cents + s.held, matched_cents = m.matched_cents + s.matched, moves = m.moves + s.moves
    FROM (
        SELECT donation_id, fund_id, sum(account_change('held', from_account, to_account, cents))::bigint AS held,
               sum(account_change('matched', from_account, to_account, cents))::bigint AS matched, count(*) AS moves
        FROM posted WHERE fund_id IS NOT NULL AND donation_id IS NOT NULL GROUP BY donation_id, fund_id) s
    WHERE m.donation_id = s.donation_id AND m.fund_id = s.fund_id;
    INSERT INTO donation_match (donation_id, fund_id, held_cents, matched_cents, moves)
    SELECT p.donation_id, p.fund_id, sum(account_change('held', from_account, to_account, cents)),
           sum(account_change('matched', from_account, to_account, cents)), count(*)
    FROM posted p LEFT JOIN donation_match m ON m.donation_id = p.donation_id AND m.fund_id = p.fund_id
    WHERE p.fund_id IS NOT NULL AND p.donation_id IS NOT NULL AND m.donation_id IS NULL GROUP BY p.donation_id, p.fund_id;
    IF NOT EXISTS (SELECT FROM posted p JOIN fund f ON f.id = p.fund_id WHERE f.per_donor_cents IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    UPDATE donor_match m SET cents = m.cents + s.cents
    FROM (
        SELECT p.fund_id, d.donor_id, -sum(account_change('available', from_account, to_account, p.cents))::bigint AS cents
        FROM posted p JOIN fund f ON f.id = p.fund_id JOIN donation d ON d.id = p.donation_id
        WHERE f.per_donor_cents IS NOT NULL GROUP BY p.fund_id, d.donor_id) s
    WHERE m.fund_id = s.fund_id AND m.donor_id = s.donor_id;
    INSERT INTO donor_match (fund_id, donor_id, cents)
    SELECT p.fund_id, d.donor_id, -sum(account_change('available', from_account, to_account, p.cents))
    FROM posted p JOIN fund f ON f.id = p.fund_id JOIN donation d ON d.id = p.donation_id
    LEFT JOIN donor_match m ON m.fund_id = p.fund_id AND m.donor_id = d.donor_id
    WHERE f.per_donor_cents IS NOT NULL AND m.donor_id IS NULL GROUP BY p.fund_id, d.donor_id;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION move_matches FROM PUBLIC;

CREATE OR REPLACE TRIGGER move_matches AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS posted FOR EACH STATEMENT
    EXECUTE FUNCTION move_matches();
