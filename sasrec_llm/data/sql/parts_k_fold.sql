-- Rows of each part, from the number of rows of each user and label.
WITH folds AS (
    SELECT "user", ntile(getvariable('folds')) OVER (ORDER BY md5("user"::VARCHAR), "user") AS fold FROM users
),
shares AS (SELECT "user", unnest([likes, n - likes]) AS n FROM sums),
held AS (
    SELECT
        n,
        CASE fold
            WHEN getvariable('fold') THEN 2
            WHEN getvariable('fold') % getvariable('folds') + 1 THEN 1
            ELSE 0
        END AS part
    FROM shares
    JOIN folds USING ("user")
    WHERE n > 0
)
SELECT part, sum(CASE WHEN part = 0 OR getvariable('task') = 'like' THEN n ELSE (n > 1)::INTEGER END)::BIGINT AS n
FROM held
GROUP BY part
