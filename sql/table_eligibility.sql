-- Prints of a symbol and day by what became of them; the rows of a day add up. A day turns at
-- 05:00 UTC, which is night in New York.
create table if not exists eligibility (
    emitted_ns bigint not null,
    seq bigint not null,
    symbol varchar not null,
    day date not null,
    counted bigint not null,
    duplicate bigint not null,
    unknown_condition bigint not null,
    summary_drop bigint not null,
    non_flow bigint not null,
    auction_reopen bigint not null,
    auction_open bigint not null,
    auction_close bigint not null,
    block bigint not null,
    extended_hours bigint not null,
    out_of_session bigint not null,
    late bigint not null,
    off_market bigint not null,
    too_late bigint not null,
    out_of_order bigint not null,
    run_id varchar,
    primary key (emitted_ns, seq)
)
