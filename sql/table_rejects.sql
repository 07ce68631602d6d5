-- One row a rejected message that was written (at most 10 a minute and code; `runs` counts all).
-- `seq` and `emitted_ns` name the line, so that reading it again adds nothing.
create table if not exists rejects (
    emitted_ns bigint not null,
    seq bigint not null,
    symbol varchar not null,
    code varchar not null,
    fragment varchar not null,
    timestamp_ns bigint,
    run_id varchar,
    primary key (emitted_ns, seq)
)
