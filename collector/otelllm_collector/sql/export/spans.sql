-- Ids in hexadecimal, texts as they are kept; `made` and `parts` are the collector's own.
select
    s.* exclude (made, parts)
    replace (
        replace(s.trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', s.span_id) as span_id,
        format('{:016x}', s.parent_span_id) as parent_span_id
    ),
    (s.made::json -> '$.attributes')::varchar as normalised
from raw.spans as s
where /*condition*/ true
order by s.start_ns;
