select x.*
from raw.spans as x
where x.start_ns >= $from and x.start_ns < $to and /*condition*/ true;
