-- Sums over the model calls of an hour, of its models, its users and all together: what has ended is not summed again for
-- each question. An hour with a row of all together is here whole; one whose spans change is taken out (stores/duckdb/hours.py).
create table raw.hour_sums (
    hour_ns bigint not null,
    dimension varchar not null, -- none, model, user
    key varchar,
    calls bigint not null,
    errors bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_read_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost_usd double,
    unpriced_calls bigint not null,
    ttft_p50_ms double, -- percentiles: of the hour alone, they don't add up; not of users
    ttft_p95_ms double,
    duration_p50_ms double,
    duration_p95_ms double,
    duration_p99_ms double
);
