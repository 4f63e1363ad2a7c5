-- What is counted. `level` is what levels.py makes of it: a number, or a rolling sum's table as JSON.
create table if not exists buckets (
    key text primary key,
    kind text not null,
    level,
    ends real not null -- seconds since the epoch: when a sum's window is over
) without rowid;

-- What calls that are under way hold of slots and sums, to be given back when their process dies.
create table if not exists holds (
    lease integer not null,
    key text not null,
    kind text not null,
    window_s real not null,
    back real not null, -- what is given back
    at real not null, -- seconds since the epoch
    expires real not null, -- on the monotonic clock of this boot
    primary key (lease, key)
) without rowid;

create table if not exists facts (
    name text primary key,
    value text not null
) without rowid;
