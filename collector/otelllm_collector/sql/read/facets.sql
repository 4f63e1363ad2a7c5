-- The values of one field, the commonest first.
select /*key*/ null as value, count(*) as count
from raw.spans as s
where /*condition*/ true
group by 1
having value is not null
order by count desc, value
limit $limit;
