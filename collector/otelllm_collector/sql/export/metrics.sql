select m.* exclude (unsaid) from raw.metrics as m where /*condition*/ true order by m.time_ns;
