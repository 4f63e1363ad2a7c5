-- Summaries of traces, newest first.
select
    /*include trace_columns*/,
    t.end_ns
from raw.traces as t
where /*condition*/ true
order by t.start_ns desc, t.trace_id desc
limit $limit;
