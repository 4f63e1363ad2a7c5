update raw.logs as l
set body = null, attributes = r.attributes, content_dropped = true
from reduced_logs as r
where l.rowid = r.id and l.time_ns >= $from and l.time_ns < $to;
