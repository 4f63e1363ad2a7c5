-- Stretches of time that need not be summed again, those that begin together the longest first.
select start_ns, hours
from raw.summed
where hours <= $longest and start_ns >= $start and start_ns <= $end - hours * $hour
order by start_ns, hours desc;
