-- Spans without content, newest first. The condition is put together from the fixed pieces of stores/duckdb/conditions.py.
select
    /*include light_span_columns*/
from raw.spans as s
where /*condition*/ true
order by s.start_ns desc, s.trace_id desc, s.span_id desc
limit $limit;
