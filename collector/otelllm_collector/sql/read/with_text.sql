-- Rows of spans that name one of `text_hits`, the messages with the text: a table of the connection that asks
-- (stores/duckdb/text_search.py). By the row's number: half the time of by the span's ids. `within`: where they can be.
select named.span
from (
    select s.rowid as span, unnest(s.input_messages) as message_id
    from raw.spans as s
    where s.start_ns >= $q_start and /*within*/ true and s.input_messages is not null
    union all
    select s.rowid, unnest(s.output_messages)
    from raw.spans as s
    where s.start_ns >= $q_start and /*within*/ true and s.output_messages is not null
    union all
    select s.rowid, s.system_instructions
    from raw.spans as s
    where s.start_ns >= $q_start and /*within*/ true and s.system_instructions is not null
) as named
where named.message_id in (select h.message_id from text_hits as h)
union all
select s.rowid
from raw.spans as s
where s.start_ns >= $q_start and (s.trace_id, s.span_id) in (
    select beside.trace_id, beside.span_id
    from (
        select c.trace_id, c.span_id, unnest(list_concat(c.input_messages, c.output_messages)) as message_id
        from raw.contents as c
    ) as beside
    where beside.message_id in (select h.message_id from text_hits as h)
)
