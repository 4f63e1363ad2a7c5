create or replace view main.messages as
select
    hash,
    any_value(kind) as kind,
    any_value(role) as role,
    any_value(body)::json as body,
    make_timestamp(min(first_seen_ns) // 1000)::timestamptz as first_seen
from raw.messages
group by hash;
