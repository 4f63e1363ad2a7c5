select
    t.* replace (
        replace(t.trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', t.root_span_id) as root_span_id
    )
from raw.traces as t
where /*condition*/ true
order by t.start_ns;
