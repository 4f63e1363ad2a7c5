select
    m.name, m.unit, m.kind, m.service_name as service, m.attributes, m.time_ns, m.value, m.count, m.sum, m.bounds,
    m.bucket_counts
from raw.metrics as m
where m.name = $name and /*condition*/ true
order by m.time_ns desc, m.service_name, m.attributes
limit $limit;
