-- Feedback and evaluation results. They may come long after their span, or name only the provider's response.
create table raw.scores (
    trace_id uuid,
    span_id ubigint,
    response_id varchar,
    name varchar,
    value double,
    label varchar,
    explanation varchar,
    time_ns bigint not null,
    attributes varchar not null using compression zstd
);
