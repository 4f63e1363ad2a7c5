select s.* exclude (rest) from raw.scopes as s where /*condition*/ true order by s.scope_id;
