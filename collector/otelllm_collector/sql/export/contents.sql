-- Prompts and answers that came as a log record beside their span.
select
    c.* replace (
        replace(c.trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', c.span_id) as span_id,
        c.input_hashes::varchar[] as input_hashes,
        c.output_hashes::varchar[] as output_hashes,
        c.system_hash::varchar as system_hash,
        c.tools_hash::varchar as tools_hash
    )
from raw.contents as c
where /*condition*/ true
order by c.time_ns;
