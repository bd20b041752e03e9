-- A user is a session. The last fifth of the sessions, by their last moment, are for test; rows of items that no earlier
-- session has are taken out of them first. What is left of such a session is a question: its last row is asked, the rows
-- before it are known (part 3) but not trained on. A random tenth of the earlier sessions, 500 at most, is for validation
-- in the same way (dh-r/LLM-Sequential-Recommendation).
WITH sessions AS (
    SELECT "user", row_number() OVER (ORDER BY max("timestamp"), "user") <= 0.8 * count(*) OVER () AS early
    FROM interactions
    GROUP BY "user"
),
rows AS (
    SELECT interactions.*, early, bool_or(early) OVER (PARTITION BY item) AS known
    FROM interactions
    JOIN sessions USING ("user")
),
held_out AS (
    SELECT
        "user",
        CASE
            WHEN NOT early THEN 2
            WHEN row_number() OVER drawn <= least(500, 0.1 * count(CASE WHEN early THEN 1 END) OVER ()) THEN 1
        END AS part
    FROM (SELECT "user", any_value(early) AS early FROM rows WHERE known GROUP BY "user" HAVING count(*) > 1)
    WINDOW drawn AS (PARTITION BY early ORDER BY md5("user"::VARCHAR))
)
SELECT
    rows.* EXCLUDE (early, known),
    CASE
        WHEN NOT early AND held_out.part IS NULL THEN NULL
        WHEN held_out.part IS NULL THEN 0
        WHEN row_number() OVER latest = 1 THEN held_out.part
        ELSE 3
    END AS part
FROM rows
LEFT JOIN held_out USING ("user")
WHERE known
WINDOW latest AS (PARTITION BY rows."user" ORDER BY rows."timestamp" DESC, line DESC)
