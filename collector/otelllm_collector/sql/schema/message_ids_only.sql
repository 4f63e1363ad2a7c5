-- What listed hashes gives its place to what lists numbers.
drop table raw.spans;
alter table raw.spans_with_ids rename to spans;
drop table raw.contents;
alter table raw.contents_with_ids rename to contents;
drop table message_ids;
