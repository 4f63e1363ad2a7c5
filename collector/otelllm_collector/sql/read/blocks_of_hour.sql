-- The blocks of messages, so many each, that the spans of an hour name something of. Tools are left out: no search is for
-- what they say.
select distinct named.message_id // $size as block
from (
    select unnest(s.input_messages) as message_id from raw.spans as s where s.start_ns >= $start and s.start_ns < $end
    union all
    select unnest(s.output_messages) from raw.spans as s where s.start_ns >= $start and s.start_ns < $end
    union all
    select s.system_instructions from raw.spans as s where s.start_ns >= $start and s.start_ns < $end
) as named
where named.message_id is not null
order by block;
