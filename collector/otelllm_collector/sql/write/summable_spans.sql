-- What a trace's summary is made of, and what tells two spans of one call.
select
    s.trace_id, s.span_id, s.parent_span_id, s.name, s.start_ns, s.end_ns, s.service_name, s.status, s.operation,
    s.provider, s.request_model, s.response_model, s.response_id, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cost_usd, s.cost_status,
    s.ttft_s, s.first_chunk_s, s.user_id, s.session_id, s.inferred_session, s.feature, coalesce(s.counted, true) as counted
from raw.spans as s
semi join batch_traces as b on s.trace_id = b.trace_id
where s.start_ns between $start and $end
order by s.start_ns, s.span_id;
