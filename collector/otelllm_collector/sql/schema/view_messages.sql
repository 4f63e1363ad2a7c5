create or replace view main.messages as
select
    hash,
    any_value(kind) as kind,
    any_value(role) as role,
    any_value(body)::json as body,
    make_timestamp_ns(min(first_seen_ns)) as first_seen -- UTC
from raw.messages
group by hash;
