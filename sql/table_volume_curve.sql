-- Volume of a symbol and session by time of day, for adaptive mode: `volumes` of each five minutes
-- from bucket `first_bucket` on (0: midnight in New York), in 1e-6 share. Parts of a day add up.
create table if not exists volume_curve (
    part_id varchar primary key,
    symbol varchar not null,
    day date not null,
    since_ns bigint not null,
    sessions varchar not null,
    first_bucket bigint not null,
    volumes bigint[] not null,
    emitted_ns bigint not null,
    seq bigint not null
)
