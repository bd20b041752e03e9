-- How many rows each user and item has, and the round in which it left, if it did.
CREATE TABLE user_counts AS SELECT user_key, count(*) AS n, NULL::INTEGER AS round FROM good GROUP BY user_key;
CREATE TABLE item_counts AS SELECT item_key, count(*) AS n, NULL::INTEGER AS round FROM good GROUP BY item_key;
