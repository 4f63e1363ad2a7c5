-- Spans of those traces that are stored already; the traces' own times bound the search.
select s.trace_id, s.span_id, s.start_ns, s.end_ns, s.parts, s.inferred_session, s.prefix
from raw.spans as s
semi join batch_spans as b on s.trace_id = b.trace_id and s.span_id = b.span_id
where s.start_ns between $start and $end
order by s.trace_id, s.span_id;
