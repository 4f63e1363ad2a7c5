create table raw.resources (
    resource_id ubigint not null, -- a hash of the attributes and the schema's address
    service_name varchar,
    attributes varchar not null using compression zstd,
    schema_url varchar
);
