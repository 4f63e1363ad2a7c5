-- Log records, newest first. The row's number tells equal times apart: records have no id of their own.
select
    l.time_ns, l.severity, l.severity_number, l.event_name, l.body, l.attributes,
    replace(l.trace_id::varchar, '-', '') as trace_id,
    format('{:016x}', l.span_id) as span_id,
    l.service_name as service,
    l.rowid as row_id
from raw.logs as l
where /*condition*/ true
order by l.time_ns desc, l.rowid desc
limit $limit;
