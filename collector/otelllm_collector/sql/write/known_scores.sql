-- Scores that new ones may repeat, in the order in which they came.
select
    s.trace_id, s.span_id, s.response_id, s.name, s.time_ns, s.value, s.label, s.explanation,
    s.attributes::json ->> '$."user.id"' as user_id, s.feedback_id
from raw.scores as s
where s.time_ns between $start and $end
order by s.time_ns, s.rowid;
