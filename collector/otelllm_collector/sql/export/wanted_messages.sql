-- Which messages the chosen spans, and the records beside them, name.
create or replace temp table wanted_messages as
select distinct unnest(list_concat(input_messages, output_messages, [system_instructions, tool_definitions])) as message_id
from (
    select s.input_messages, s.output_messages, s.system_instructions, s.tool_definitions
    from raw.spans as s
    where /*condition*/ true
    union all
    select c.input_messages, c.output_messages, c.system_instructions, c.tool_definitions
    from raw.contents as c
    where (c.trace_id, c.span_id) in (select s.trace_id, s.span_id from raw.spans as s where /*condition*/ true)
        and /*contents*/ true
);
