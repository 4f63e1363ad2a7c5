-- Hours that are summed already, and `others`: the same of the spans of all other hours. Hour by hour no two rows are to
-- be added, so that percentiles hold.
with others as (
    /*others*/
)
select h.key, h.hour_ns as bucket_ns, h.* exclude (hour_ns, dimension, key)
from /*kept*/ raw.hour_sums as h
union all
select * from others
order by bucket_ns nulls first, calls desc, key nulls last
limit $limit;
