-- Rows of each part, from the number of rows of each session whose items an early session has.
CREATE OR REPLACE TABLE sessions AS
SELECT "user", sum(n) AS n, row_number() OVER (ORDER BY max(last), "user") <= 0.8 * count(*) OVER () AS early
FROM shares
GROUP BY "user";

CREATE OR REPLACE TABLE late_rows AS SELECT "user", item FROM interactions JOIN (FROM sessions WHERE NOT early) USING ("user");

CREATE OR REPLACE TABLE sizes AS
SELECT "user", n, early FROM sessions WHERE early
UNION ALL
SELECT "user", count(*), false
FROM late_rows
WHERE item NOT IN (  -- items whose rows are all late
    SELECT item FROM (SELECT item, count(*) AS late FROM late_rows GROUP BY item) JOIN items USING (item) WHERE late = n
)
GROUP BY "user";
DROP TABLE late_rows;

WITH held_out AS MATERIALIZED (
    SELECT
        n,
        CASE
            WHEN NOT early THEN 2
            WHEN row_number() OVER drawn <= least(500, 0.1 * count(CASE WHEN early THEN 1 END) OVER ()) THEN 1
        END AS part
    FROM sizes
    WHERE n > 1
    WINDOW drawn AS (PARTITION BY early ORDER BY md5("user"::VARCHAR))
)
SELECT 0 AS part, (SELECT sum(n) FROM sizes WHERE early) - (SELECT coalesce(sum(n), 0) FROM held_out WHERE part = 1) AS n
UNION ALL
SELECT part, count(*) FROM held_out WHERE part IS NOT NULL GROUP BY part
