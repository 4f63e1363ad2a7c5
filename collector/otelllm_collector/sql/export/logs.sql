select
    l.* exclude (unsaid) replace (
        replace(l.trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', l.span_id) as span_id
    )
from raw.logs as l
where /*condition*/ true
order by l.time_ns;
