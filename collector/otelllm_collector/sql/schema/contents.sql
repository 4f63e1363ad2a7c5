-- Prompts and answers that came as a log record beside their span; the span may come before, after or never.
create table raw.contents (
    trace_id uuid not null,
    span_id ubigint not null,
    time_ns bigint not null,
    input_hashes uuid[],
    output_hashes uuid[],
    system_hash uuid,
    tools_hash uuid
);
