-- Exit signals worth a second look, with the doubts: as many large buyers as sellers in the
-- window, sellers known by the tick rule alone, or the symbol alerting at a higher price within
-- 30 minutes (an exit there sold too low).
with evidence_of as (
    select x.alert_id, bool_and(e.side_evidence = 'tick') as tick_only
    from (
        select alert_id, unnest(evidence) as piece_id from alerts where alert_type = 'exit_signal'
    ) x
    join alerts e on e.alert_id = x.piece_id and e.alert_type = 'large_seller'
    group by x.alert_id
),

later as (
    select s.alert_id, max(l.price_level) as highest
    from alerts s
    join alerts l
        on l.symbol = s.symbol
        and l.timestamp_ns > s.timestamp_ns
        and l.timestamp_ns <= s.timestamp_ns + 1_800_000_000_000
    where s.alert_type = 'exit_signal'
    group by s.alert_id
),

judged as (
    select
        s.*,
        l.highest as highest_30m,
        list_filter(
            [
                case when s.large_buys >= s.large_sells and s.large_buys > 0 then 'two_sided' end,
                case when e.tick_only then 'tick_rule_only' end,
                case when l.highest > s.price_level then 'price_rose' end
            ],
            lambda doubt: doubt is not null
        ) as doubts
    from alert_history s
    left join evidence_of e using (alert_id)
    left join later l using (alert_id)
    where s.alert_type = 'exit_signal'
)

select
    timestamp_new_york,
    symbol,
    price_level,
    doubts,
    highest_30m,
    reasons,
    large_sells,
    large_buys,
    alert_id
from judged
where len(doubts) > 0
order by timestamp_new_york, alert_id
