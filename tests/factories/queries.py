"""Queries that may be asked, and statements that may not: what the guard and the engine are tried with."""

from __future__ import annotations

ALLOWED = """
SELECT 1
SELECT 1;
  select /* ; DROP TABLE x */ 1 -- ; DELETE FROM t
select 1 ; -- the end
WITH a AS (SELECT 1) SELECT * FROM a
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r
FROM csc.master_source
FROM csc.master_source SELECT ra WHERE "dec" > 0
FROM (FROM product.event)
TABLE product.event
VALUES (1), (2)
(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1
SELECT 1 UNION ALL BY NAME SELECT 2
DESCRIBE product.event
DESCRIBE SELECT 1
SUMMARIZE csc.master_source
SUMMARIZE SELECT 1
SHOW TABLES
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT 1
explain (format json) select 1
PIVOT product.event ON ccd_id USING count(*) GROUP BY obsid
PIVOT product.event ON ccd_id IN (1, 2) USING count(*)
UNPIVOT t ON a, b INTO NAME n VALUE v
SELECT * FROM t PIVOT (sum(d) FOR r IN (1, 2))
SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) FROM t
SELECT columns('flux_.*') FROM csc.master_source
SELECT * LIKE 'a%' FROM t
SELECT a[1], a[1:2], a.b, {'x': 1}.x, [x + 1 FOR x IN l IF x > 0], list_transform(l, x -> x + 1) FROM t
SELECT sum(DISTINCT a ORDER BY b) FILTER (WHERE c) OVER (PARTITION BY d ORDER BY e ROWS 3 PRECEDING) FROM t
SELECT count(*) OVER w FROM t WINDOW w AS (PARTITION BY a) QUALIFY row_number() OVER w = 1
SELECT quantile_cont(a, [0.16, 0.5]), median(a), arg_max(a, b), max(a), string_agg(a, ',' ORDER BY b) FROM t
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t
SELECT CASE a WHEN 1 THEN 2 END, CAST(a AS DECIMAL(10, 2)), TRY_CAST(a AS INT), a::DOUBLE[], a::STRUCT(x INT) FROM t
SELECT a BETWEEN 1 AND 2, a IN (1, 2), a LIKE 'x%', a ILIKE 'y', a ~ 'z', a IS DISTINCT FROM b, NOT a IS NULL FROM t
SELECT extract(year FROM d), trim(BOTH 'x' FROM y), substring(a FROM 1 FOR 2), position('a' IN b) FROM t
SELECT date_trunc('day', d), strftime(d, '%Y'), interval 3 day, TIMESTAMP '2020-01-01', current_date, now() FROM t
SELECT $name, $other::INT
SELECT * FROM a JOIN b USING (x) LEFT JOIN c ON a.y = c.y ASOF JOIN d USING (t) POSITIONAL JOIN e SEMI JOIN f USING (z)
SELECT * FROM a, LATERAL (SELECT a.x) l
SELECT * FROM a WHERE x IN (SELECT y FROM b) AND EXISTS (FROM c)
SELECT * FROM range(10) r(i), generate_series(1, 3), unnest([1, 2])
SELECT unnest([1, 2])
SELECT * FROM cone(83.8, -5.4, 60) JOIN csc.observation_source USING (name)
SELECT * FROM light_curve('1575.1.85', 500)
SELECT separation_arcsec(ra, "dec", 1, 2) FROM csc.master_source
SELECT sky_ra(e.x, e.y, h) FROM product.event e JOIN product.header h USING (file_id)
SELECT * FROM t USING SAMPLE 10%
SELECT * FROM t LIMIT 10%
SELECT * FROM t AT (VERSION => 3)
SELECT a, FROM t GROUP BY ALL ORDER BY ALL
SELECT array_cosine_distance(v, w), list_cosine_similarity(v, w) FROM embedding.spectrum
SELECT $$a ; b$$, e'it\\'s', 'it''s', "a ; b" FROM t
SELECT 'Ångström ☃ 𝄞' AS "µ"
SELECT x->>'$.a', x->'a', json_extract(x, '$.b') FROM t
SELECT m['key'], map_keys(m), map {'a': 1} FROM t
SELECT GROUPING(a), count(*) FROM t GROUP BY CUBE (a, b), GROUPING SETS ((a), (b))
SELECT 'DROP TABLE t', 'COPY', "delete" FROM t
SELECT drop_, insert_ FROM update_
""".strip().splitlines()

FORBIDDEN = """
INSERT INTO csc.master_source VALUES (1)
UPDATE t SET a = 1
DELETE FROM t
TRUNCATE t
MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE
CREATE TABLE x AS SELECT 1
CREATE TEMP VIEW x AS SELECT 1
CREATE MACRO m(x) AS x
DROP TABLE t
ALTER TABLE t ADD COLUMN x INT
COPY (SELECT 1) TO 'f'
COPY t FROM 'f'
EXPORT DATABASE 'x'
IMPORT DATABASE 'x'
ATTACH 'x.db'
DETACH lake
INSTALL httpfs
LOAD httpfs
SET threads = 1
RESET threads
PRAGMA table_info('t')
PRAGMA database_list
CALL ducklake_cleanup_old_files('lake', cleanup_all => true)
CALL lake.set_commit_message('a', 'b')
CHECKPOINT
VACUUM
USE memory
BEGIN
COMMIT
ROLLBACK
PREPARE v AS SELECT 1
EXECUTE v(1)
DEALLOCATE v
COMMENT ON TABLE t IS 'x'
GRANT SELECT ON t TO x
ANALYZE
KILL 1
SHOW VARIABLES
SELECT 1; SELECT 2
SELECT 1; DROP TABLE t
SELECT 1;; DELETE FROM t
; DROP TABLE t
/* SELECT */ DROP TABLE t
EXPLAIN ANALYZE DELETE FROM t
EXPLAIN DROP TABLE t
/* EXPLAIN SELECT 1 -- */ EXPLAIN ANALYZE INSERT INTO t VALUES (1)
SELECT 1 INTO x
WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x
WITH x AS (INSERT INTO t VALUES (1) RETURNING *) FROM x
SELECT * FROM (DELETE FROM t RETURNING *)
SELECT * FROM 'file.csv'
SELECT * FROM "file.parquet"
SELECT * FROM file.csv
SELECT * FROM '/etc/passwd'
SELECT * FROM 's3://bucket/x.parquet'
SELECT * FROM a WHERE x IN (FROM 'b.json')
SELECT * FROM read_csv('x')
SELECT * FROM READ_CSV_AUTO('x')
SELECT * FROM "read_parquet"('x')
SELECT * FROM system.main.read_text('x')
SELECT * FROM read_blob('*'), t
SELECT * FROM read_json('x') AS r
SELECT * FROM parquet_metadata('x')
SELECT * FROM glob('*')
SELECT * FROM sqlite_scan('a', 'b')
SELECT * FROM query('DROP TABLE t')
SELECT * FROM query_table('t')
SELECT * FROM json_execute_serialized_sql('{}')
SELECT * FROM ducklake_cleanup_old_files('lake', cleanup_all => true)
SELECT * FROM ducklake_add_data_files('lake', 't', 'f')
SELECT * FROM duckdb_secrets()
SELECT (SELECT max(content) FROM read_text('/etc/passwd'))
SELECT getenv('HOME')
SELECT current_setting('s3_secret_access_key')
SELECT nextval('s')
SELECT setseed(0.5)
SELECT write_log('x')
SELECT sleep_ms(100000)
SELECT [getenv(x) FOR x IN ['A']]
SELECT 'HOME'.getenv()
SELECT list_transform(['A'], x -> getenv(x))
SELECT sum(a) FILTER (WHERE getenv('A') = 'b') OVER (ORDER BY current_setting('x')) FROM t
SELECT * FROM t ORDER BY getenv('A') LIMIT (SELECT count(*) FROM glob('*'))
PIVOT (FROM read_csv('x')) ON a USING sum(b)
SUMMARIZE 'x.csv'
DESCRIBE FROM read_csv('x')
DESCRIBE 'x.csv'
""".strip().splitlines()
