-- One round of the k-core filter; repeated until no row leaves.
CREATE TABLE leaving AS
SELECT
    line,
    CASE WHEN count(*) OVER by_user < getvariable('min_user') THEN 'user has too few rows' ELSE 'item has too few rows' END AS reason,
    concat_ws(' | ', user_key, item_key, rating, seconds) AS text
FROM good
WINDOW by_user AS (PARTITION BY user_key), by_item AS (PARTITION BY item_key)
QUALIFY count(*) OVER by_user < getvariable('min_user') OR count(*) OVER by_item < getvariable('min_item');

INSERT INTO rejected SELECT 'interactions', * FROM leaving;
DELETE FROM good WHERE line IN (SELECT line FROM leaving);
SET VARIABLE left_over = (SELECT count(*) FROM leaving);
DROP TABLE leaving;
