-- Whole rows of spans that somebody sent, in order of start.
select s.*
from raw.spans as s
where coalesce(s.content_forms, '') not like '%"span":"made"%' and /*condition*/ true
order by s.start_ns, s.trace_id, s.span_id;
