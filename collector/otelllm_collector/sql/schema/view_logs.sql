create or replace view main.logs as
select
    make_timestamp(time_ns // 1000)::timestamptz as time,
    severity_number,
    severity,
    event_name,
    body::json as body,
    attributes::json as attributes,
    replace(trace_id::varchar, '-', '') as trace_id,
    format('{:016x}', span_id) as span_id,
    service_name,
    resource_id,
    scope_id,
    time_ns
from raw.logs;
