-- Spans one of whose messages holds the text. Where the text is also part of every message's JSON ("text", "role"), only
-- what was said counts; that look costs ten times the other.
with hits as (
    select hash
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
    select trace_id, span_id, unnest(list_concat(input_hashes, output_hashes)) as hash from raw.spans
    where start_ns >= $q_start and (input_hashes is not null or output_hashes is not null)
    union all
    select trace_id, span_id, system_hash from raw.spans where start_ns >= $q_start and system_hash is not null
    union all
    select trace_id, span_id, unnest(list_concat(input_hashes, output_hashes)) from raw.contents
)
select trace_id, span_id from listed where hash in (select hash from hits)
