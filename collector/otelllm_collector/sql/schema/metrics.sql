-- One row a data point, of all kinds.
create table raw.metrics (
    name varchar not null,
    unit varchar not null,
    description varchar not null,
    kind varchar not null,
    temporality varchar not null,
    is_monotonic boolean not null,
    attributes varchar not null using compression zstd,
    start_ns bigint not null,
    time_ns bigint not null,
    service_name varchar, -- denormalised from the resource
    resource_id ubigint not null,
    scope_id ubigint not null,
    flags uinteger not null,
    value double,
    value_int bigint, -- beside value, which is exact only up to 2^53
    count ubigint,
    sum double,
    min double,
    max double,
    bounds double[],
    bucket_counts ubigint[],
    detail varchar using compression zstd, -- JSON text: exponential buckets, quantiles
    exemplars varchar using compression zstd
);
