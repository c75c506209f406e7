-- Locks campaigns in a fixed order and returns their active funds in one query, as the next transaction waits for this lock.
CREATE OR REPLACE FUNCTION locked_funds(campaign_ids bigint[]) RETURNS TABLE(f fund, is_rematching boolean)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM campaign WHERE id = ANY (campaign_ids) ORDER BY id FOR NO KEY UPDATE;
    RETURN QUERY SELECT a, EXISTS (SELECT FROM pending_rematch h WHERE h.campaign_id = a.campaign_id)
        FROM fund a WHERE a.campaign_id = ANY (campaign_ids) AND a.activated_at IS NOT NULL ORDER BY a.position;
END
$$;
