select m.name, any_value(m.unit) as unit, any_value(m.kind) as kind, count(*) as points
from raw.metrics as m
where m.time_ns >= coalesce($start, 0) and m.time_ns < coalesce($end, 9223372036854775807)
group by m.name
order by m.name;
