create table raw.scopes (
    scope_id ubigint not null, -- a hash of everything else in the row
    name varchar not null,
    version varchar not null,
    attributes varchar not null using compression zstd,
    schema_url varchar
);
