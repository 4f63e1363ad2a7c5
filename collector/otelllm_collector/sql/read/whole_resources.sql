select * from raw.resources where list_contains($wanted::ubigint[], resource_id) order by resource_id;
