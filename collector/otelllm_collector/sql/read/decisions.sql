-- What a policy's rules decided. Few spans have such an event: the look for its name spares reading the JSON of others.
select
    event.attributes ->> '$.stage' as stage,
    event.attributes ->> '$.rule' as rule,
    event.attributes ->> '$.mode' as mode,
    event.attributes ->> '$.outcome' as outcome,
    count(*) as count,
    coalesce(sum(try_cast(event.attributes ->> '$.waited' as double)), 0) as waited_s
from (
    select unnest(from_json(s.events, '[{"name": "VARCHAR", "attributes": "JSON"}]')) as event
    from raw.spans as s
    where contains(s.events, '"otelllm.decision"') and /*condition*/ true
)
where event.name = 'otelllm.decision'
group by 1, 2, 3, 4
order by count desc, stage, rule, mode, outcome
limit $limit;
