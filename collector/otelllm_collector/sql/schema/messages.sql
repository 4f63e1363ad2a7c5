-- Content, once for each hash; after a restart a message may be written a second time, so readers take any one of a hash.
create table raw.messages (
    hash uuid not null,
    kind varchar not null, -- message, system, tools
    role varchar,
    body varchar not null using compression zstd, -- JSON text
    first_seen_ns bigint not null
);
