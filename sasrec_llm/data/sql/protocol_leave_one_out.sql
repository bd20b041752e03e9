-- Every user's last row is test, the one before it valid, the others train. Users with fewer than three rows are train.
SELECT
    *,
    CASE
        WHEN count(*) OVER of_user < 3 THEN 0
        WHEN row_number() OVER latest = 1 THEN 2
        WHEN row_number() OVER latest = 2 THEN 1
        ELSE 0
    END AS part
FROM interactions
WINDOW of_user AS (PARTITION BY "user"), latest AS (PARTITION BY "user" ORDER BY "timestamp" DESC, line DESC)
