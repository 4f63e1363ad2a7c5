-- Ids follow the order of writing, so that only the row groups of one conversation are read.
select message_id, body
from raw.messages
where message_id in (select unnest($ids::bigint[]))
order by message_id;
