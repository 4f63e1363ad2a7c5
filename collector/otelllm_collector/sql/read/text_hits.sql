-- Messages that hold the text. Where the text is also part of every message's JSON ("text", "role"), only what was said
-- counts; that look costs ten times the other.
insert into text_hits
select message_id
from raw.messages
where message_id between $first and $last
    and kind != 'tools'
    and contains(lower(body), lower($q_json))
    and (not $is_exact or contains(
        lower(concat_ws(
            chr(10),
            array_to_string(body ->> '$.parts[*].content', chr(10)),
            array_to_string(body ->> '$.parts[*].arguments', chr(10)),
            array_to_string(body ->> '$.parts[*].response', chr(10)),
            array_to_string(body ->> '$[*].content', chr(10)),
            if(starts_with(body, '"'), body ->> '$', null)
        )),
        lower($q)
    ));
