-- First calls of conversations that others go on with now.
update raw.spans as s
set inferred_session = f.inferred_session
from first_calls as f
where s.trace_id = f.trace_id and s.span_id = f.span_id and s.start_ns between $start and $end;
