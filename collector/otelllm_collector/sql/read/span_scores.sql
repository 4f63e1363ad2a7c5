-- Scores of a span, or of its response where they name only that.
select name, value, label, explanation, time_ns
from raw.scores
where (trace_id = $trace_id::uuid and span_id = $span_id::ubigint)
    or (span_id is null and $response_id is not null and response_id = $response_id)
order by time_ns, name;
