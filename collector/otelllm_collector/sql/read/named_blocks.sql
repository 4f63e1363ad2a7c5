-- The blocks of messages, so many each, that these spans name something of.
select distinct named.message_id // $size as block
from (
    select unnest(s.input_messages) as message_id from raw.spans as s where /*condition*/ true
    union all
    select unnest(s.output_messages) from raw.spans as s where /*condition*/ true
    union all
    select s.system_instructions from raw.spans as s where /*condition*/ true
    union all
    select unnest(list_concat(c.input_messages, c.output_messages))
    from raw.contents as c
    where (c.trace_id, c.span_id) in (select s.trace_id, s.span_id from raw.spans as s where /*condition*/ true)
) as named
where named.message_id is not null
order by block;
