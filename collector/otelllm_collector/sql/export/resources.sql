select r.* exclude (rest) from raw.resources as r where /*condition*/ true order by r.resource_id;
