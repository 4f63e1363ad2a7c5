-- The numbers stay.
update raw.spans as s
set
    input_messages = null, output_messages = null, system_instructions = null, tool_definitions = null, prefix = null,
    tool_arguments = null, tool_result = null, retrieval_query = null, retrieval_documents = null, status_message = null,
    attributes = r.attributes, events = r.events, made = r.made, content_forms = r.content_forms
from reduced_spans as r
where s.trace_id = r.trace_id and s.span_id = r.span_id and s.start_ns >= $from and s.start_ns < $to;
