-- What the writer remembers after a restart.
select hash, message_id
from raw.messages
where message_id > (select max(message_id) from raw.messages) - $limit
order by message_id;
