select
    c.* replace (
        replace(c.trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', c.span_id) as span_id
    )
from raw.scores as c
where /*condition*/ true
order by c.time_ns;
