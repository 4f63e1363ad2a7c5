update raw.scores as x
set explanation = null
where x.time_ns >= $from and x.time_ns < $to and /*condition*/ true;
