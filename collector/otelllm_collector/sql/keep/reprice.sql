update raw.spans as s
set cost_usd = r.cost_usd, cost_status = r.cost_status, attributes = r.attributes, made = r.made
from repriced_spans as r
where s.trace_id = r.trace_id and s.span_id = r.span_id and s.start_ns >= $from and s.start_ns < $to;
