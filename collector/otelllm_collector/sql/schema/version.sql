-- One row: which of our schemas this file has. A collector refuses a file that is newer than itself.
create table raw.version (version integer not null);
