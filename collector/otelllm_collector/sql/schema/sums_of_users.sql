-- Sums of users apart from the others', and over days and longer: a month's are then 160,000 rows to be added up, and not
-- a million. All hours are summed anew, behind the writer.
drop table raw.hour_sums;
create table raw.hour_sums (
    hour_ns bigint not null,
    dimension varchar not null, -- none, model
    key varchar,
    calls bigint not null,
    errors bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_read_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost_usd double,
    unpriced_calls bigint not null,
    ttft_p50_ms double, -- percentiles: of the hour alone, they don't add up
    ttft_p95_ms double,
    duration_p50_ms double,
    duration_p95_ms double,
    duration_p99_ms double
);
create table raw.user_sums (
    start_ns bigint not null,
    hours integer not null,
    key varchar, -- the user
    calls bigint not null,
    errors bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_read_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost_usd double,
    unpriced_calls bigint not null
);
-- Which stretches of time are summed whole. One whose spans change is taken out (stores/duckdb/changed_hours.py).
create table raw.summed (
    start_ns bigint not null,
    hours integer not null -- 1: hour_sums, user_sums and named_blocks have it; more: user_sums
);
-- Blocks of messages (stores/duckdb/text_index.py) that the spans of an hour name something of: whoever looks for a
-- message that was said once need not look through all spans.
create table raw.named_blocks (hour_ns bigint not null, block bigint not null);
