-- How many rows there are from one time up to another, and the first and last of their times.
select count(*), min(/*time*/ null), max(/*time*/ null)
from raw./*table*/ x
where /*time*/ null >= $start and /*time*/ null < $end;
