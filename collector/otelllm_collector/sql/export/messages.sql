-- The content that spans name by number.
select m.*, left(sha256(m.body), 32)::uuid::varchar as hash
from raw.messages as m
where /*condition*/ true
order by m.first_seen_ns, m.message_id;
