-- Messages are numbered in the order of writing, and spans name them by number: 2 bytes each where a hash took 16, and
-- those of one conversation lie together. 0 is a message that is not there.
create table raw.messages_with_ids (
    message_id bigint not null,
    hash uuid not null,
    kind varchar not null, -- message, system, tools
    role varchar,
    body varchar not null using compression zstd, -- JSON text
    first_seen_ns bigint not null
);

insert into raw.messages_with_ids by name select rowid + 1 as message_id, * from raw.messages;

drop table raw.messages;
alter table raw.messages_with_ids rename to messages;

create temp table message_ids as select hash, min(message_id) as message_id from raw.messages group by hash;

create table raw.spans_with_ids (
    trace_id uuid not null,
    span_id ubigint not null,
    parent_span_id ubigint,
    name varchar not null,
    kind varchar not null,
    start_ns bigint not null, -- a bound cut to microseconds lost a span, so no timestamp here
    end_ns bigint not null,
    resource_id ubigint not null,
    scope_id ubigint not null,
    received_ns bigint not null,
    service_name varchar, -- denormalised from the resource: nearly every question filters by it
    status varchar not null,
    status_message varchar,
    error_type varchar,
    operation varchar,
    provider varchar,
    request_model varchar,
    response_model varchar,
    response_id varchar,
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens bigint,
    cost_usd double,
    cost_status varchar,
    ttft_s double,
    first_chunk_s double,
    user_id varchar,
    session_id varchar,
    conversation_id varchar,
    feature varchar,
    priority varchar,
    prompt_name varchar,
    prompt_version varchar,
    agent_name varchar,
    tool_name varchar,
    workflow_name varchar,
    cache_outcome varchar,
    verdict varchar,
    finish_reasons varchar[],
    stream_end varchar,
    retrieval_count bigint,
    rerank_in bigint,
    rerank_out bigint,
    input_messages bigint[],
    output_messages bigint[],
    system_instructions bigint,
    tool_definitions bigint,
    -- Columns that are mostly empty choose zstd by themselves: told to, they take 4 bytes a row of nothing.
    tool_arguments varchar,
    tool_result varchar,
    retrieval_query varchar,
    retrieval_documents varchar,
    attributes varchar not null using compression zstd, -- JSON text
    events varchar, -- JSON text: with the span they come, change and go
    links varchar,
    trace_state varchar,
    flags uinteger not null,
    dropped_attributes uinteger not null,
    dropped_events uinteger not null,
    dropped_links uinteger not null,
    parts integer not null, -- attributes, events and links that came: tells the fuller of two versions
    vocabulary varchar,
    made varchar,
    counted boolean, -- false where another span is the same call, and counts
    content_forms varchar
);

create table raw.contents_with_ids (
    trace_id uuid not null,
    span_id ubigint not null,
    time_ns bigint not null,
    input_messages bigint[],
    output_messages bigint[],
    system_instructions bigint,
    tool_definitions bigint
);
