create or replace view main.resources as
select resource_id, service_name, attributes::json as attributes, schema_url
from raw.resources;
