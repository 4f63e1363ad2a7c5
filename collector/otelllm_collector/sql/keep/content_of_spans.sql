-- What of spans has to be looked at before their content can go.
select x.trace_id, x.span_id, x.start_ns, x.attributes, x.events, x.made, x.vocabulary, x.content_forms
from raw.spans as x
where x.start_ns >= $from and x.start_ns < $to and /*condition*/ true
order by x.start_ns, x.trace_id, x.span_id;
