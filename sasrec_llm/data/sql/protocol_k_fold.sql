-- Users are put into folds of even size by the hash of their id. One fold is for test, the one after it for validation
-- (the first comes after the last), the others are for train. Of a held-out user all rows are asked whether they were
-- likes; or the last like is asked, and the likes before it are known (part 3) but not trained on. Who has a single
-- like is asked nothing.
WITH folds AS (
    SELECT "user", ntile(getvariable('folds')) OVER (ORDER BY md5("user"::VARCHAR), "user") AS fold
    FROM (SELECT DISTINCT "user" FROM interactions)
),
rows AS (
    SELECT
        interactions.*,
        CASE fold
            WHEN getvariable('fold') THEN 2
            WHEN getvariable('fold') % getvariable('folds') + 1 THEN 1
            ELSE 0
        END AS held
    FROM interactions
    JOIN folds USING ("user")
)
SELECT
    * EXCLUDE (held),
    CASE
        WHEN held = 0 OR getvariable('task') = 'like' THEN held
        WHEN row_number() OVER latest = 1 AND count(*) OVER alike > 1 THEN held
        ELSE 3
    END AS part
FROM rows
WINDOW
    alike AS (PARTITION BY "user", label),
    latest AS (PARTITION BY "user", label ORDER BY "timestamp" DESC, line DESC)
