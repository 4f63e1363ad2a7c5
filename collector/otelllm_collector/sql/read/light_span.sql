select
    /*include light_span_columns*/
from raw.spans as s
where s.trace_id = $trace_id::uuid and s.span_id = $span_id::ubigint and s.start_ns between $start and $end
order by s.received_ns desc
limit 1;
