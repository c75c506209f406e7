-- Where the chains of a campaign end: of its entries, and of the entries and changes of its funds.
CREATE OR REPLACE FUNCTION chain_ends(of_campaign bigint) RETURNS TABLE (chain text, "position" bigint, hash bytea)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT 'campaign:' || t.campaign_id, t.chain_entries, t.chain_hash FROM campaign_totals t
    WHERE t.campaign_id = of_campaign AND t.chain_entries > 0
    UNION ALL
    SELECT 'fund:' || f.id, f.chain_entries, f.chain_hash FROM fund f WHERE f.campaign_id = of_campaign AND f.chain_entries > 0
    UNION ALL
    SELECT 'changes:' || c.fund_id, c.position, c.hash
    FROM (SELECT DISTINCT ON (x.fund_id) x.* FROM fund_change x JOIN fund f ON f.id = x.fund_id WHERE f.campaign_id = of_campaign
          ORDER BY x.fund_id, x.position DESC) c
$$;
