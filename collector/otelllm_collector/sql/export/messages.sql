-- The content that spans name by number.
select m.* replace (m.hash::varchar as hash)
from raw.messages as m
where /*condition*/ true
order by m.first_seen_ns, m.message_id;
