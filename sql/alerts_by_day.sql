-- Alerts per symbol, day (New York) and mode; the sum leaves resting sellers out.
select
    cast(timestamp_new_york as date) as day_new_york,
    symbol,
    mode,
    count(*) filter (where alert_type = 'large_seller') as large_sellers,
    count(*) filter (where alert_type = 'red_burst') as red_bursts,
    count(*) filter (where alert_type = 'exit_signal') as exit_signals,
    count(*) filter (where alert_type <> 'large_resting_seller') as alerts,
    count(*) filter (where alert_type = 'large_resting_seller') as resting_sellers
from alert_history
group by all
order by day_new_york, symbol, mode
