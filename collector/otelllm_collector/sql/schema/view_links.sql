create or replace view main.links as
select
    trace_id,
    span_id,
    link.trace_id as linked_trace_id,
    link.span_id as linked_span_id,
    link.attributes as attributes
from (
    select
        replace(trace_id::varchar, '-', '') as trace_id,
        format('{:016x}', span_id) as span_id,
        unnest(from_json(links, '[{"trace_id": "VARCHAR", "span_id": "VARCHAR", "attributes": "JSON"}]')) as link
    from raw.spans
    where links is not null
);
