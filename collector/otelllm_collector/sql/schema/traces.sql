-- A summary for each trace, written in the transaction of its spans: the list of traces touches no span.
create table raw.traces (
    trace_id uuid not null,
    start_ns bigint not null,
    end_ns bigint not null,
    root_span_id ubigint,
    root_start_ns bigint,
    name varchar not null, -- the root's, or the earliest span's until a root comes
    service_name varchar,
    spans bigint not null,
    calls bigint not null,
    errors bigint not null,
    input_tokens bigint, -- tokens and cost: of model calls only
    output_tokens bigint,
    cache_read_tokens bigint,
    cost_usd double,
    unpriced_calls bigint not null,
    ttft_s double, -- of the first call that has one
    ttft_start_ns bigint,
    models varchar[] not null,
    users varchar[] not null,
    sessions varchar[] not null,
    features varchar[] not null
);
