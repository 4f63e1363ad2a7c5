delete from raw.messages where exists (select 1 from garbage as g where g.hash = messages.hash);
