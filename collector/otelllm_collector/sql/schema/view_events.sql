create or replace view main.events as
select
    trace_id,
    span_id,
    event.name as name,
    make_timestamp(event.time_ns // 1000)::timestamptz as time,
    event.attributes as attributes,
    event.time_ns as time_ns
from (
    select
        replace(trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', span_id) as span_id,
        unnest(from_json(events, '[{"name": "VARCHAR", "time_ns": "BIGINT", "attributes": "JSON"}]')) as event
    from raw.spans
    where events is not null
);
