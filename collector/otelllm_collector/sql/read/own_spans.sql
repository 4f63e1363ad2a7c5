-- What a project's part of some traces is summed up from.
select
    s.trace_id, s.span_id, s.parent_span_id, s.name, s.start_ns, s.end_ns, s.service_name, s.status, s.operation,
    s.provider, s.request_model, s.response_model, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cost_usd,
    s.cost_status, s.ttft_s, s.first_chunk_s, s.user_id, s.session_id, s.inferred_session, s.feature, coalesce(s.counted, true) as counted
from raw.spans as s
where list_contains($traces::uuid[], s.trace_id) and s.start_ns between $start and $end and /*condition*/ true
order by s.start_ns, s.span_id;
