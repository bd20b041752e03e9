-- Users and items are numbered in the order in which they first appear; late ones leave.
UPDATE user_counts SET round = getvariable('round')
WHERE round IS NULL AND user_key NOT IN (SELECT user_key FROM user_places ORDER BY place LIMIT getvariable('max_id'));
UPDATE item_counts SET round = getvariable('round')
WHERE round IS NULL AND item_key NOT IN (SELECT item_key FROM item_places ORDER BY place LIMIT getvariable('max_id'));
SET VARIABLE user_reason = 'user id above the largest';
SET VARIABLE item_reason = 'item id above the largest';
