-- Users and items are numbered in the order in which they first appear, in time or, without times, in the file; late ones
-- leave.
CREATE TABLE ordered AS
SELECT user_key, item_key, {'moment': CASE WHEN getvariable('clock') = 'time' THEN seconds END, 'line': line} AS place
FROM good
SEMI JOIN (FROM user_counts WHERE round IS NULL) USING (user_key)
SEMI JOIN (FROM item_counts WHERE round IS NULL) USING (item_key);

UPDATE user_counts SET round = getvariable('round')
WHERE round IS NULL AND user_key NOT IN (
    SELECT user_key FROM ordered GROUP BY user_key ORDER BY min(place) LIMIT getvariable('max_id')
);
UPDATE item_counts SET round = getvariable('round')
WHERE round IS NULL AND item_key NOT IN (
    SELECT item_key FROM ordered GROUP BY item_key ORDER BY min(place) LIMIT getvariable('max_id')
);
SET VARIABLE user_reason = 'user id above the largest';
SET VARIABLE item_reason = 'item id above the largest';
DROP TABLE ordered;
