-- One trace's summary, and the times that bound the search for its spans.
select
    /*include trace_columns*/,
    t.end_ns
from raw.traces as t
where t.trace_id = $trace_id::uuid
order by t.start_ns;
