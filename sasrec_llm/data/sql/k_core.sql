-- One round of the k-core filter, on the counts alone; repeated until nobody leaves.
UPDATE user_counts SET round = getvariable('round') WHERE round IS NULL AND n > 0 AND n < getvariable('min_user');
UPDATE item_counts SET round = getvariable('round') WHERE round IS NULL AND n > 0 AND n < getvariable('min_item');
SET VARIABLE user_reason = 'user has too few rows';
SET VARIABLE item_reason = 'item has too few rows';
