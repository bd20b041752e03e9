-- The place in which each user and item first appears, in time or, without times, in the file.
CREATE TABLE placed AS
SELECT user_key, item_key, {'moment': CASE WHEN getvariable('clock') = 'time' THEN seconds END, 'line': line} AS place
FROM good
ANTI JOIN (FROM user_counts WHERE round IS NOT NULL) USING (user_key)
ANTI JOIN (FROM item_counts WHERE round IS NOT NULL) USING (item_key);

CREATE TABLE user_places AS SELECT user_key, min(place) AS place FROM placed GROUP BY user_key;
CREATE TABLE item_places AS SELECT item_key, min(place) AS place FROM placed GROUP BY item_key;
DROP TABLE placed;
