-- The resources that came with a project's keys, or that named it themselves. There are few, and few of a project.
select r.resource_id
from raw.resources as r
where contains(r.attributes, 'otelllm.project') and r.attributes::json ->> '$."otelllm.project"' = $project
order by r.resource_id;
