-- Summaries of the traces that this batch adds to. A trace that lasts longer than a day starts a second summary.
select t.*
from raw.traces as t
semi join batch_traces as b on t.trace_id = b.trace_id
where t.start_ns between $start - 86400000000000 and $end + 86400000000000
order by t.trace_id;
