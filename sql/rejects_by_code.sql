-- Rejected messages by code: counted in ended runs, and written (at most 10 a minute and code).
with counted as (
    select j.key as code, sum(j.value::bigint)::bigint as counted
    from runs r, json_each(r.rejects) j
    group by j.key
),

written as (
    select
        code,
        count(*) as written,
        count(distinct symbol) as symbols,
        make_timestamp(min(emitted_ns) // 1000) as first_utc,
        make_timestamp(max(emitted_ns) // 1000) as last_utc,
        arg_max(fragment, (emitted_ns, seq)) as last_fragment
    from rejects
    group by code
)

select
    code,
    counted,
    coalesce(written, 0) as written,
    coalesce(symbols, 0) as symbols,
    first_utc,
    last_utc,
    last_fragment
from counted
full join written using (code)
order by coalesce(counted, written) desc, code
