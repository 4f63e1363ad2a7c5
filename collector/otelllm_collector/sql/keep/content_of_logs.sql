select x.rowid as id, x.attributes
from raw.logs as x
where x.time_ns >= $from and x.time_ns < $to and /*condition*/ true
order by x.time_ns;
