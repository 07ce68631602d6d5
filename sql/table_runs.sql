-- One row a start. The figures and `ended_ns` are null until the run ends; `how` it ended:
-- finished, stopped, failed, killed (found by the next start), or ended (nobody could tell).
create table if not exists runs (
    run_id varchar primary key,
    started_ns bigint not null,
    feed varchar not null,
    settings json not null,
    versions json not null,
    tape varchar[] not null,
    events bigint,
    alerts bigint,
    verdicts json,
    rejects json,
    ended_ns bigint,
    how varchar
)
