-- Alerts per symbol, type and hour (New York).
select
    date_trunc('hour', timestamp_new_york) as hour_new_york,
    symbol,
    alert_type,
    count(*) as alerts,
    count(*) filter (where severity = 'critical') as critical
from alert_history
group by all
order by hour_new_york, alerts desc, symbol, alert_type
