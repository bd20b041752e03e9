-- Dense ids from 1, in the order of the original ids (as numbers where they are numbers), and the order that everything
-- else relies on: by user, then time, then line of the file.
CREATE TABLE users AS
SELECT row_number() OVER (ORDER BY try_cast(user_key AS BIGINT) NULLS LAST, user_key)::INTEGER AS "user", user_key AS original
FROM (SELECT DISTINCT user_key FROM good)
ORDER BY "user";

CREATE TABLE items AS
SELECT
    row_number() OVER (ORDER BY try_cast(item_key AS BIGINT) NULLS LAST, item_key)::INTEGER AS item,
    item_key AS original,
    title,
    brand,
    category,
    description
FROM (SELECT DISTINCT item_key FROM good)
LEFT JOIN (
    -- Of several lines about an item, the first that says something of a column counts.
    SELECT
        trim(item) AS item_key,
        arg_min(nullif(trim(title), ''), line) AS title,
        arg_min(nullif(trim(brand), ''), line) AS brand,
        arg_min(nullif(trim(category), ''), line) AS category,
        arg_min(nullif(trim(description), ''), line) AS description
    FROM raw_items
    GROUP BY ALL
) USING (item_key)
ORDER BY item;

CREATE TABLE interactions AS
SELECT users."user", items.item, good.rating::FLOAT AS rating, good.label, good.seconds AS "timestamp", good.split, good.line
FROM good
JOIN users ON users.original = good.user_key
JOIN items ON items.original = good.item_key
ORDER BY users."user", good.seconds, good.line;
DROP TABLE good;
