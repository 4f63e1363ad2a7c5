delete from raw.place;
insert into raw.place values ($journal, $number);
