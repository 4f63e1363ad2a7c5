-- The statement that makes the table of summaries as it is.
select sql
from duckdb_tables()
where database_name = 'otelllm' and schema_name = 'raw' and table_name = 'traces';
