-- Spans one of whose messages holds the text. Where the text is also part of every message's JSON ("text", "role"), only
-- what was said counts; that look costs ten times the other.
with hits as (
    select message_id
    from raw.messages
    where kind != 'tools'
        and contains(lower(body), lower($q_json))
        and (not $is_exact or contains(
            lower(concat_ws(
                chr(10),
                array_to_string(body ->> '$.parts[*].content', chr(10)),
                array_to_string(body ->> '$.parts[*].arguments', chr(10)),
                array_to_string(body ->> '$.parts[*].response', chr(10)),
                array_to_string(body ->> '$[*].content', chr(10)),
                if(starts_with(body, '"'), body ->> '$', null)
            )),
            lower($q)
        ))
),
listed as (
    select trace_id, span_id, unnest(list_concat(input_messages, output_messages)) as message_id from raw.spans
    where start_ns >= $q_start and (input_messages is not null or output_messages is not null)
    union all
    select trace_id, span_id, system_instructions from raw.spans where start_ns >= $q_start and system_instructions is not null
    union all
    select trace_id, span_id, unnest(list_concat(input_messages, output_messages)) from raw.contents
)
select trace_id, span_id from listed where message_id in (select message_id from hits)
