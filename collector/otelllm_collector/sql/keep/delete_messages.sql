delete from raw.messages
where message_id between $start and $end
    and exists (select 1 from garbage as g where g.message_id = messages.message_id);
