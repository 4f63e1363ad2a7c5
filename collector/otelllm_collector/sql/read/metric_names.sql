select m.name, any_value(m.unit) as unit, any_value(m.kind) as kind, count(*) as points
from raw.metrics as m
where /*condition*/ true
group by m.name
order by m.name;
