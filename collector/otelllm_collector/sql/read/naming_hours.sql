-- Hours whose spans name something of these blocks of messages.
select distinct hour_ns
from raw.named_blocks
where list_contains($blocks::bigint[], block)
order by hour_ns;
