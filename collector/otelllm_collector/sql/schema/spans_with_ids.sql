-- A slice of spans: lists of hashes become lists of numbers.
with slice as (
    select *, rowid as number from raw.spans where start_ns >= $from and start_ns < $to
),

inputs as (
    select s.number, list(coalesce(m.message_id, 0) order by s.place) as ids
    from (
        select number, unnest(input_hashes) as hash, generate_subscripts(input_hashes, 1) as place from slice
    ) as s
    left join message_ids as m on s.hash = m.hash
    group by s.number
),

outputs as (
    select s.number, list(coalesce(m.message_id, 0) order by s.place) as ids
    from (
        select number, unnest(output_hashes) as hash, generate_subscripts(output_hashes, 1) as place from slice
    ) as s
    left join message_ids as m on s.hash = m.hash
    group by s.number
)

insert into raw.spans_with_ids by name
select
    s.* exclude (number, input_hashes, output_hashes, system_hash, tools_hash),
    if(s.input_hashes is null, null, coalesce(i.ids, [])) as input_messages,
    if(s.output_hashes is null, null, coalesce(o.ids, [])) as output_messages,
    if(s.system_hash is null, null, coalesce(y.message_id, 0)) as system_instructions,
    if(s.tools_hash is null, null, coalesce(t.message_id, 0)) as tool_definitions
from slice as s
left join inputs as i on s.number = i.number
left join outputs as o on s.number = o.number
left join message_ids as y on s.system_hash = y.hash
left join message_ids as t on s.tools_hash = t.hash
order by s.start_ns;
