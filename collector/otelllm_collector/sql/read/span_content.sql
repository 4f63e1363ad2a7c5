-- Content that came beside the span, as a log record.
select input_messages, output_messages, system_instructions, tool_definitions
from raw.contents as c
where trace_id = $trace_id::uuid and span_id = $span_id::ubigint and /*condition*/ true
order by time_ns;
