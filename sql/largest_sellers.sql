-- The 50 largest executed sellers by money. A seller that grew into a critical alert is one row.
select
    timestamp_new_york,
    symbol,
    order_size,
    vwap,
    notional,
    prints,
    venues,
    side_evidence,
    severity,
    large_sells,
    large_buys,
    alert_id
from alert_history
where alert_type = 'large_seller'
    and alert_id not in (
        select escalates from alerts where alert_type = 'large_seller' and escalates is not null
    )
order by notional desc, timestamp_new_york, alert_id
limit 50
