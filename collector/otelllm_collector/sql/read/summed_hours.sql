-- Hours that need not be summed again.
select hour_ns
from raw.hour_sums
where dimension = 'none' and hour_ns >= $first and hour_ns < $last
order by hour_ns;
