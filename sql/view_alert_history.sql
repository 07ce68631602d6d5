-- Alerts with readable times, UTC and New York. They are plain timestamps: reading the type
-- with a time zone into Python needs one more library.
create or replace view alert_history as
select
    make_timestamp(timestamp_ns // 1000) as timestamp_utc,
    timezone('America/New_York', timezone('UTC', make_timestamp(timestamp_ns // 1000)))
        as timestamp_new_york,
    symbol,
    alert_type,
    severity,
    message,
    make_timestamp(emitted_ns // 1000) as emitted_utc,
    timezone('America/New_York', timezone('UTC', make_timestamp(emitted_ns // 1000)))
        as emitted_new_york,
    make_timestamp(valid_until_ns // 1000) as valid_until_utc,
    make_timestamp(first_ts_ns // 1000) as first_ts_utc,
    alerts.* exclude (
        event, schema, symbol, alert_type, severity, message,
        timestamp_ns, emitted_ns, valid_until_ns, first_ts_ns
    )
from alerts
