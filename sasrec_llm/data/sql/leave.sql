-- The rows of the users and items that left in this round are rejected, and counted.
CREATE OR REPLACE TABLE leaving AS
SELECT line, user_key, item_key, getvariable('user_reason') AS reason, concat_ws(' | ', user_key, item_key, rating, seconds) AS text
FROM good
SEMI JOIN (FROM user_counts WHERE round = getvariable('round')) USING (user_key)
ANTI JOIN (FROM item_counts WHERE round < getvariable('round')) USING (item_key)
UNION ALL
SELECT line, user_key, item_key, getvariable('item_reason'), concat_ws(' | ', user_key, item_key, rating, seconds)
FROM good
SEMI JOIN (FROM item_counts WHERE round = getvariable('round')) USING (item_key)
ANTI JOIN (FROM user_counts WHERE round <= getvariable('round')) USING (user_key);

INSERT INTO rejected SELECT 'interactions', line, reason, text FROM leaving;
CREATE TABLE user_losses AS SELECT user_key, count(*) AS gone FROM leaving GROUP BY user_key;
CREATE TABLE item_losses AS SELECT item_key, count(*) AS gone FROM leaving GROUP BY item_key;
DROP TABLE leaving;
