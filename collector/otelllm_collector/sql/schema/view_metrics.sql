create or replace view main.metrics as
select
    name,
    unit,
    description,
    kind,
    temporality,
    is_monotonic,
    service_name,
    attributes::json as attributes,
    make_timestamp(time_ns // 1000)::timestamptz as time,
    value,
    count,
    sum,
    min,
    max,
    bounds,
    bucket_counts,
    detail::json as detail,
    exemplars::json as exemplars,
    resource_id,
    start_ns,
    time_ns
from raw.metrics;
