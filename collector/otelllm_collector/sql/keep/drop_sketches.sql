-- Of runs of messages none of which is left.
delete from raw.text_sketches where run not in (select m.message_id // $size from raw.messages as m);
