-- Parent orders of a symbol and session by size, for adaptive mode: `counts` of them in `bins` of
-- a sketch (bin 0: below 1,000 shares, bin k: below 1,000 * (101/99)^k). Parts of a day add up.
create table if not exists parent_sizes (
    part_id varchar primary key,
    symbol varchar not null,
    day date not null,
    since_ns bigint not null,
    sessions varchar not null,
    parent_gap_ms bigint not null,
    sketch bigint not null,
    parents bigint not null,
    span_ms bigint not null,
    bins integer[] not null,
    counts integer[] not null,
    emitted_ns bigint not null,
    seq bigint not null
)
