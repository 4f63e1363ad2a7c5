-- Pieces of the sketches of some runs, of all where none are named.
select run, piece, bits
from raw.text_sketches
where list_contains($pieces::integer[], piece) and ($runs is null or list_contains($runs::bigint[], run))
order by run, piece;
