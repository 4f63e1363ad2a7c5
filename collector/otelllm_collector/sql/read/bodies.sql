select hash, any_value(body) as body
from raw.messages
where hash in (select unnest($hashes::uuid[]))
group by hash
order by hash;
