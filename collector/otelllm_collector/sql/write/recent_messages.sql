-- What the writer remembers after a restart.
select hash
from raw.messages
order by first_seen_ns desc, hash
limit $limit;
