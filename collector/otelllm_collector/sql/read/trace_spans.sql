-- One trace's spans as its tree shows them. Light columns only: unpacking the text would cost more than all else.
select
    /*include light_span_columns*/
from raw.spans as s
where s.trace_id = $trace_id::uuid and s.start_ns between $start and $end and /*condition*/ true
order by s.start_ns, s.end_ns desc, s.span_id;
