-- Summaries of traces, newest first.
select
    replace(t.trace_id::varchar, '-', '') as trace_id,
    t.name,
    format('{:016x}', t.root_span_id) as root_span_id,
    t.service_name as service,
    t.start_ns,
    (t.end_ns - t.start_ns) / 1e6 as duration_ms,
    t.spans,
    t.calls,
    t.errors,
    t.input_tokens,
    t.output_tokens,
    t.cache_read_tokens,
    t.cost_usd,
    t.unpriced_calls,
    t.ttft_s * 1e3 as ttft_ms,
    t.models,
    t.users,
    t.sessions,
    t.features,
    if(t.errors > 0, 'error', 'ok') as status
from raw.traces as t
where /*condition*/ true
order by t.start_ns desc, t.trace_id desc
limit $limit;
