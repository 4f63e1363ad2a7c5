-- Whole rows of log records, in order of time.
select l.*
from raw.logs as l
where /*condition*/ true
order by l.time_ns, l.rowid;
