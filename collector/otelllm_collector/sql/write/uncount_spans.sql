-- Stored spans that a span which came now shows to be the same call.
update raw.spans as s
set counted = b.counted
from repeated_spans as b
where s.trace_id = b.trace_id and s.span_id = b.span_id and s.start_ns between $start and $end;
