-- What the writer remembers after a restart.
select unhex(left(sha256(body), 32)) as hash, message_id, strlen(body) as size
from raw.messages
where message_id > $after and message_id <= $to
order by message_id desc;
