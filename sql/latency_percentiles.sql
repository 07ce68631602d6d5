-- Latency per run: milliseconds from the frame's receipt to the line's write. Null in a replay.
select
    run_id,
    make_timestamp(any_value(r.started_ns) // 1000) as started_utc,
    any_value(a.feed) as feed,
    count(*) as alerts,
    count(a.latency_ms) as measured,
    round(quantile_cont(a.latency_ms, 0.50), 3) as p50_ms,
    round(quantile_cont(a.latency_ms, 0.90), 3) as p90_ms,
    round(quantile_cont(a.latency_ms, 0.99), 3) as p99_ms,
    max(a.latency_ms) as max_ms
from alerts a
left join runs r using (run_id)
group by run_id
order by started_utc, run_id
