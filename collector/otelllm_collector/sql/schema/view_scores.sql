create or replace view main.scores as
select
    replace(trace_id::varchar, '-', '') as trace_id,
    format('{:016x}', span_id) as span_id,
    response_id,
    name,
    value,
    label,
    explanation,
    make_timestamp(time_ns // 1000)::timestamptz as time,
    attributes::json as attributes,
    time_ns
from raw.scores;
