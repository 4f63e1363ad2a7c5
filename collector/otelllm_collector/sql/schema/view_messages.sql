-- Once for each content, but for one that was written again long after it came first.
create or replace view main.messages as
select
    message_id, -- what spans name it by
    left(sha256(body), 32)::uuid as hash,
    kind,
    role,
    body::json as body,
    make_timestamp(first_seen_ns // 1000)::timestamptz as first_seen
from raw.messages;
