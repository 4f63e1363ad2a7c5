-- Messages by hash; of one that was written twice any.
select hash, any_value(kind) as kind, any_value(role) as role, any_value(body) as body, min(first_seen_ns) as first_seen_ns
from raw.messages
where hash in (select unnest($hashes::uuid[]))
group by hash
order by hash;
