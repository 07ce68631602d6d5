-- One row an interval in which a symbol (or `*`, all of them) was not fully seen.
create table if not exists coverage (
    emitted_ns bigint not null,
    seq bigint not null,
    symbol varchar not null,
    from_ns bigint not null,
    to_ns bigint not null,
    cause varchar not null,
    refilled boolean not null,
    run_id varchar,
    primary key (emitted_ns, seq)
)
