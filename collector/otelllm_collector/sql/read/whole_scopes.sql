select * from raw.scopes where list_contains($wanted::ubigint[], scope_id) order by scope_id;
