-- What alerts say of their own past: five minutes after each kind and symbol (`*`: all symbols), by
-- the newest scorecard of each detection mode.
select
    alert_type,
    symbol,
    mode,
    measured as n,
    lift,
    move_bp as move_5m_bps,
    abnormal_bp as abnormal_5m_bps,
    low_bp as low_bps,
    high_bp as high_bps,
    q,
    scorecard_id
from scorecard
where horizon_s = 300
    and not rival
    and scorecard_id in (select max_by(scorecard_id, emitted_ns) from scorecard group by mode)
order by mode, alert_type, symbol
