-- The same added up, without percentiles.
with others as (
    /*others*/
),
rows as (
    select
        h.key, /*bucket*/ null as bucket_ns, h.calls, h.errors, h.input_tokens, h.output_tokens, h.cache_read_tokens,
        h.reasoning_tokens, h.cost_usd, h.unpriced_calls
    from /*kept*/ raw.hour_sums as h
    union all
    select
        o.key, o.bucket_ns, o.calls, o.errors, o.input_tokens, o.output_tokens, o.cache_read_tokens, o.reasoning_tokens,
        o.cost_usd, o.unpriced_calls
    from others as o
)
select
    key,
    bucket_ns,
    sum(calls)::bigint as calls,
    sum(errors)::bigint as errors,
    sum(input_tokens)::bigint as input_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    sum(cost_usd) as cost_usd,
    sum(unpriced_calls)::bigint as unpriced_calls,
    null::double as ttft_p50_ms,
    null::double as ttft_p95_ms,
    null::double as duration_p50_ms,
    null::double as duration_p95_ms,
    null::double as duration_p99_ms
from rows
group by key, bucket_ns
order by bucket_ns nulls first, calls desc, key nulls last
limit $limit;
