-- Messages that nothing names any more.
with named as (
    select unnest(input_hashes) as hash from raw.spans where input_hashes is not null
    union all
    select unnest(output_hashes) from raw.spans where output_hashes is not null
    union all
    select system_hash from raw.spans where system_hash is not null
    union all
    select tools_hash from raw.spans where tools_hash is not null
    union all
    select unnest(list_concat(input_hashes, output_hashes, [system_hash, tools_hash])) from raw.contents
)

select distinct m.hash
from raw.messages as m
anti join named as n on m.hash = n.hash
limit $limit;
