select s.trace_id, s.span_id, s.response_id, s.name, s.time_ns
from raw.scores as s
where s.time_ns between $start and $end
order by s.time_ns;
