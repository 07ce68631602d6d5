-- Prints of each symbol and day by what became of them: `counted` is what the rules saw.
select
    day,
    symbol,
    sum(counted)::bigint as counted,
    sum(duplicate)::bigint as duplicate,
    sum(unknown_condition)::bigint as unknown_condition,
    sum(summary_drop)::bigint as summary_drop,
    sum(non_flow)::bigint as non_flow,
    sum(auction_reopen)::bigint as auction_reopen,
    sum(auction_open)::bigint as auction_open,
    sum(auction_close)::bigint as auction_close,
    sum(block)::bigint as block,
    sum(extended_hours)::bigint as extended_hours,
    sum(out_of_session)::bigint as out_of_session,
    sum(late)::bigint as late,
    sum(off_market)::bigint as off_market,
    sum(too_late)::bigint as too_late,
    sum(out_of_order)::bigint as out_of_order
from eligibility
group by day, symbol
order by day, symbol
