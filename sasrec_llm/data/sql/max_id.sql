-- Users and items are numbered in the order in which they first appear, in time or, without times, in the file; rows of
-- late ones leave.
CREATE TABLE leaving AS
WITH ordered AS (
    SELECT user_key, item_key, CASE WHEN getvariable('clock') = 'time' THEN seconds END AS moment, line FROM good
),
user_ids AS (
    SELECT user_key, row_number() OVER (ORDER BY moment, line) AS user_id
    FROM (FROM ordered QUALIFY row_number() OVER (PARTITION BY user_key ORDER BY moment, line) = 1)
),
item_ids AS (
    SELECT item_key, row_number() OVER (ORDER BY moment, line) AS item_id
    FROM (FROM ordered QUALIFY row_number() OVER (PARTITION BY item_key ORDER BY moment, line) = 1)
)
SELECT
    line,
    CASE WHEN user_id > getvariable('max_id') THEN 'user id above the largest' ELSE 'item id above the largest' END AS reason,
    concat_ws(' | ', user_key, item_key, rating, seconds) AS text
FROM good
JOIN user_ids USING (user_key)
JOIN item_ids USING (item_key)
WHERE user_id > getvariable('max_id') OR item_id > getvariable('max_id');

INSERT INTO rejected SELECT 'interactions', * FROM leaving;
DELETE FROM good WHERE line IN (SELECT line FROM leaving);
DROP TABLE leaving;
