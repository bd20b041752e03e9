-- What users and items have left.
UPDATE user_counts SET n = n - gone FROM user_losses WHERE user_losses.user_key = user_counts.user_key;
UPDATE item_counts SET n = n - gone FROM item_losses WHERE item_losses.item_key = item_counts.item_key;
DROP TABLE user_losses;
DROP TABLE item_losses;
