-- What each kind of alert was worth five minutes later, by the newest scorecard: its abnormal move
-- in basis points with interval and q-value, lift over the base rate, and alerts a day.
select
    alert_type,
    symbol,
    alerts,
    round(alerts_a_day, 1) as alerts_a_day,
    round(abnormal_bp, 1) as abnormal_bp,
    round(low_bp, 1) as low_bp,
    round(high_bp, 1) as high_bp,
    round(q, 3) as q,
    round(lift, 2) as lift,
    round(recall, 2) as recall,
    round(covered, 2) as covered,
    round(over_hold_bp - over_hold_base_bp, 1) as exit_gain_bp,
    first_day,
    last_day
from scorecard
where horizon_s = 300 and scorecard_id = (select max_by(scorecard_id, emitted_ns) from scorecard)
order by rival, alert_type, symbol
