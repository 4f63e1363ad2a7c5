-- Which messages the chosen spans, and the records beside them, name.
create or replace temp table wanted_messages as
select distinct unnest(list_concat(input_hashes, output_hashes, [system_hash, tools_hash])) as hash
from (
    select s.input_hashes, s.output_hashes, s.system_hash, s.tools_hash
    from raw.spans as s
    where /*condition*/ true
    union all
    select c.input_hashes, c.output_hashes, c.system_hash, c.tools_hash
    from raw.contents as c
    where (c.trace_id, c.span_id) in (select s.trace_id, s.span_id from raw.spans as s where /*condition*/ true)
);
