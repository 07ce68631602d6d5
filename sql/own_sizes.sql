-- How large each symbol's parent orders were, session by session: what one in a thousand reached
-- (null: no more than one in a thousand had 1,000 shares), as adaptive mode would see that session
-- alone.
with bins as (
    select symbol, day, sessions, unnest(bins) as bin, unnest(counts) as n from parent_sizes
),
totals as (
    select
        symbol,
        day,
        sessions,
        sum(parents)::bigint as parents,
        round(sum(span_ms) / 3600000, 2) as hours
    from parent_sizes
    group by all
),
above as (
    select
        symbol,
        day,
        sessions,
        bin,
        sum(sum(n)) over (partition by symbol, day, sessions order by bin desc) as reached
    from bins
    group by symbol, day, sessions, bin
)
select
    t.day,
    t.symbol,
    t.parents,
    t.hours,
    (select round(1000 * pow(101.0 / 99.0, max(a.bin)))
     from above a
     where a.symbol = t.symbol and a.day = t.day and a.sessions = t.sessions and a.bin > 0
       and a.reached > least(t.parents // 1000, floor(t.hours * 3)))::bigint as shares
from totals t
order by t.day, t.symbol
