select name, version, attributes from raw.scopes where scope_id = $scope_id::ubigint order by 1 limit 1;
