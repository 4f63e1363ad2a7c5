create or replace view main.traces as
select
    replace(trace_id::varchar, '-', '') as trace_id,
    name,
    format('{:016x}', root_span_id) as root_span_id,
    service_name,
    make_timestamp(start_ns // 1000)::timestamptz as start_time, -- compares with now(); start_ns has the nanoseconds
    make_timestamp(end_ns // 1000)::timestamptz as end_time,
    (end_ns - start_ns) / 1e6 as duration_ms,
    spans,
    calls,
    errors,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cost_usd,
    unpriced_calls,
    ttft_s * 1e3 as ttft_ms,
    models,
    users,
    sessions,
    features,
    if(errors > 0, 'error', 'ok') as status,
    start_ns,
    end_ns
from raw.traces;
