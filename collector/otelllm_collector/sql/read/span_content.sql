-- Content that came beside the span, as a log record.
select input_hashes, output_hashes, system_hash, tools_hash
from raw.contents
where trace_id = $trace_id::uuid and span_id = $span_id::ubigint
order by time_ns;
