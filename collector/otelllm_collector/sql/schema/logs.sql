create table raw.logs (
    time_ns bigint not null,
    observed_ns bigint not null,
    trace_id uuid,
    span_id ubigint,
    severity_number integer not null,
    severity varchar,
    event_name varchar,
    body varchar using compression zstd, -- JSON text
    attributes varchar not null using compression zstd,
    service_name varchar, -- denormalised from the resource
    resource_id ubigint not null,
    scope_id ubigint not null,
    flags uinteger not null,
    dropped_attributes uinteger not null
);
