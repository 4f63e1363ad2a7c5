-- Scores of a span, or of its response where they name only that.
select c.name, c.value, c.label, c.explanation, c.time_ns
from raw.scores as c
where (
        (c.trace_id = $trace_id::uuid and c.span_id = $span_id::ubigint)
        or (c.span_id is null and $response_id is not null and c.response_id = $response_id)
    )
    and /*condition*/ true
order by c.time_ns, c.name;
