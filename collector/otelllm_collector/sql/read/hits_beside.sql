-- Whether a message of `text_hits` came in a record beside its span.
select 1
from (
    select unnest(list_concat(c.input_messages, c.output_messages)) as message_id from raw.contents as c
) as beside
where beside.message_id in (select h.message_id from text_hits as h)
limit 1;
