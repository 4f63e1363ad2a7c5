-- Prompts and answers that came as a log record beside their span.
select
    c.* replace (
        replace(c.trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', c.span_id) as span_id
    )
from raw.contents as c
where /*condition*/ true
order by c.time_ns;
