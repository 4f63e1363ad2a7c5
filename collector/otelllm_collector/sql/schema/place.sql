-- One row: up to which number of which journal the spans are stored. Written with them, so that each body is stored once.
create table raw.place (journal varchar not null, number ubigint not null);
