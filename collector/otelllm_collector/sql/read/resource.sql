select attributes from raw.resources where resource_id = $resource_id::ubigint order by 1 limit 1;
