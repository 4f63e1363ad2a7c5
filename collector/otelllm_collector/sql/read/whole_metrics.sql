-- Whole rows of data points, in order of time.
select m.*
from raw.metrics as m
where /*condition*/ true
order by m.time_ns, m.rowid;
