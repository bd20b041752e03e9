-- A user is a session. The last fifth of the sessions, by their last moment, are for test: their last row is what is
-- asked, the rows before it are known (part 3) but not trained on. A random tenth of the other sessions, 500 at most, is
-- for validation in the same way (dh-r/LLM-Sequential-Recommendation).
WITH sessions AS (
    SELECT
        "user",
        count(*) AS events,
        row_number() OVER (ORDER BY max("timestamp"), "user") <= 0.8 * count(*) OVER () AS early
    FROM interactions
    GROUP BY "user"
),
held_out AS (
    SELECT
        "user",
        CASE
            WHEN NOT early THEN 2
            WHEN row_number() OVER drawn <= least(500, 0.1 * count(*) FILTER (WHERE early) OVER ()) THEN 1
        END AS part
    FROM sessions
    WHERE events > 1
    WINDOW drawn AS (PARTITION BY early ORDER BY md5("user"::VARCHAR))
)
SELECT
    interactions.*,
    CASE
        WHEN held_out.part IS NULL THEN 0
        WHEN row_number() OVER latest = 1 THEN held_out.part
        ELSE 3
    END AS part
FROM interactions
LEFT JOIN held_out USING ("user")
WINDOW latest AS (PARTITION BY interactions."user" ORDER BY interactions."timestamp" DESC, line DESC)
