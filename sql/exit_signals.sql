-- Exit signals, each with the alerts it rests on: one row a piece of evidence.
with pieces as (
    select alert_id, unnest(evidence) as piece_id from alerts where alert_type = 'exit_signal'
)
select
    s.timestamp_new_york,
    s.symbol,
    s.price_level,
    s.reasons,
    s.valid_until_utc,
    s.large_sells,
    s.large_buys,
    e.timestamp_new_york as evidence_new_york,
    e.alert_type as evidence_type,
    e.severity as evidence_severity,
    e.message as evidence_message,
    p.piece_id as evidence_id,
    s.alert_id
from alert_history s
left join pieces p using (alert_id)
left join alert_history e on e.alert_id = p.piece_id
where s.alert_type = 'exit_signal'
order by s.timestamp_new_york, s.alert_id, evidence_new_york, evidence_id
