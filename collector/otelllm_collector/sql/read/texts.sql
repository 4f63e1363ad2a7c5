-- The texts of one run as a search sees them.
select message_id, lower(body) as text
from raw.messages
where message_id >= $from and message_id < $to and kind != 'tools'
order by message_id;
