-- What came by /v1/feedback: its sender's id for it, empty where there is none (see stores/duckdb/scores.py).
alter table raw.scores add column feedback_id varchar;
