select message_id, unhex(left(sha256(body), 32)) as hash, kind, role, body, first_seen_ns
from raw.messages
where message_id in (select unnest($ids::bigint[]))
order by message_id;
