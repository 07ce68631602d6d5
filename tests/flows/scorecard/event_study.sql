-- The event study once more, from the alerts a replay wrote and the quotes of the tape alone.
-- $open and $close bound the session of each day, in ns; the tables `controls` and
-- `market` (SPY's counted prints) come from the study: random draws and eligibility are its own.
with firsts as (
    select
        alert_id, alert_type as kind, symbol, timestamp_ns + $delay_ns as ns,
        row_number() over (partition by alert_type, symbol order by timestamp_ns, alert_id) as nth
    from history.alerts where escalates is null
),

quoted as (  -- of quotes with one stamp the last row stands
    select
        symbol, ts_ns,
        arg_max(bid, file_row_number) as bid,
        arg_max(ask, file_row_number) as ask
    from read_parquet($quotes, file_row_number = true, union_by_name = true)
    where bid > 0 and ask > bid and isfinite(ask)
    group by symbol, ts_ns
),

sessions as (select unnest($open) as open, unnest($close) as close),

marks as (
    select q.symbol, q.ts_ns, (q.bid + q.ask) / 2 as mid, s.open
    from quoted q join sessions s on q.ts_ns >= s.open and q.ts_ns < s.close
    union all
    select 'SPY', ts_ns, mid, (select max(open) from sessions where open <= ts_ns) from market
),

ends as (
    select symbol, open, max(ts_ns) as until from (
        select symbol, open, ts_ns from marks
        union all
        select t.symbol, s.open, t.ts_ns
        from read_parquet($trades, union_by_name = true) t
        join sessions s on t.ts_ns >= s.open and t.ts_ns < s.close
    ) group by all
),

horizons as (select unnest([10, 60, 300, 900]::bigint[]) as horizon_s),

-- An alert is number -1 and its controls 0, 1, 2 ...
instants as (
    select alert_id, kind, symbol, -1 as number, ns from firsts
    union all
    select f.alert_id, f.kind, f.symbol, c.number, c.ns
    from controls c join firsts f on f.kind = c.kind and f.symbol = c.symbol and f.nth = c.nth
),

looks as (
    select i.*, h.horizon_s, i.ns + h.horizon_s * 1_000_000_000 as later_ns
    from instants i, horizons h
),

priced as (
    select
        k.*, 1e4 * (b.mid / a.mid - 1) as move,
        case when k.symbol <> 'SPY' then 1e4 * (sb.mid / sa.mid - 1) end as market,
        e.until >= k.later_ns as known, se.until >= k.later_ns as market_known
    from looks k
    asof left join marks a on a.symbol = k.symbol and a.ts_ns <= k.ns
    asof left join marks b on b.symbol = k.symbol and b.ts_ns <= k.later_ns
    asof left join (from marks where symbol = 'SPY') sa on sa.ts_ns <= k.ns
    asof left join (from marks where symbol = 'SPY') sb on sb.ts_ns <= k.later_ns
    asof left join ends e on e.symbol = k.symbol and e.open <= k.ns
    asof left join (from ends where symbol = 'SPY') se on se.open <= k.ns
),

net as (
    select
        *,
        case
            when not known then null
            when market_known is null or symbol = 'SPY' then move
            when market_known then move - market
        end as net
    from priced
),

each as (
    select
        alert_id, kind, symbol, horizon_s,
        any_value(case when known then move end) filter (number = -1) as move,
        any_value(net) filter (number = -1) - avg(net) filter (number >= 0) as abnormal
    from net group by all
)

select kind, symbol, horizon_s, count(*) as alerts, avg(move) as move, avg(abnormal) as abnormal
from each group by all order by all
