-- Messages that nothing names any more.
with named as (
    select unnest(input_messages) as message_id from raw.spans where input_messages is not null
    union all
    select unnest(output_messages) from raw.spans where output_messages is not null
    union all
    select system_instructions from raw.spans where system_instructions is not null
    union all
    select tool_definitions from raw.spans where tool_definitions is not null
    union all
    select unnest(list_concat(input_messages, output_messages, [system_instructions, tool_definitions])) from raw.contents
)

select m.message_id
from raw.messages as m
anti join named as n on m.message_id = n.message_id
limit $limit;
