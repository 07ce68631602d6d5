-- The 50 largest sellers that rested on the book, by money: displayed, not traded. A level that grew into a critical alert is one row.
select
    timestamp_new_york,
    symbol,
    order_size,
    price_level,
    notional,
    ask,
    round((price_level - ask) / ask * 1e4, 1) as above_ask_bps,
    book_imbalance,
    severity,
    alert_id
from alert_history
where alert_type = 'large_resting_seller'
    and alert_id not in (
        select escalates
        from alerts
        where alert_type = 'large_resting_seller' and escalates is not null
    )
order by notional desc, timestamp_new_york, alert_id
limit 50
