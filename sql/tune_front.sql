-- The settings of the newest tuning that no other beat in both lift and fewer alerts, with those in
-- force and those recommended; the lift of later days is the one to trust.
select
    round(alerts_a_day, 1) as alerts_a_day,
    round(lift, 2) as lift,
    round(shrunk_lift, 2) as shrunk_lift,
    alerts,
    large_order_size,
    parent_gap_ms,
    volume_spike_threshold,
    red_burst_threshold,
    sell_share,
    min_burst_volume,
    exit_sellers,
    alert_window_seconds,
    current,
    recommended,
    round(later_alerts_a_day, 1) as later_alerts_a_day,
    round(later_lift, 2) as later_lift,
    tried
from tune
where
    tune_id = (select max_by(tune_id, emitted_ns) from tune)
    and (on_front or current or recommended)
order by alerts_a_day, shrunk_lift
