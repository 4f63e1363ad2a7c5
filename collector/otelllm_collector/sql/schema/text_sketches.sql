-- Which words and pieces of words the texts of messages hold (text/places.py): what can't hold a phrase is not read. Made
-- in the background; a run of 16,384 messages that is not here yet is read.
create table raw.text_sketches (
    run bigint not null, -- message_id // 16384
    piece integer not null, -- place // 4096
    bits blob not null using compression uncompressed -- zstd: a byte a place, of which a bit is a block of 2,048 messages
);
