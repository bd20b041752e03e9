-- Rows of each part, from the number of rows of each session whose items an early session has.
CREATE OR REPLACE TABLE sessions AS
SELECT "user", n, row_number() OVER (ORDER BY last, "user") <= 0.8 * count(*) OVER () AS early
FROM sums;

CREATE OR REPLACE TABLE sizes AS
WITH late AS MATERIALIZED (
    SELECT "user", item FROM interactions SEMI JOIN (FROM sessions WHERE NOT early) USING ("user")
),
late_items AS (  -- whose rows are all late
    SELECT item
    FROM (SELECT item, count(*) AS late FROM late GROUP BY item)
    JOIN items USING (item)
    WHERE late = n
),
losses AS (SELECT "user", count(*) AS gone FROM late SEMI JOIN late_items USING (item) GROUP BY "user")
SELECT "user", n - coalesce(gone, 0) AS n, early
FROM sessions
LEFT JOIN losses USING ("user");

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
