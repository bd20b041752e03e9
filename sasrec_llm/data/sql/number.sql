-- Dense ids from 1, in the order of the original ids (as numbers where they are numbers).
CREATE TABLE users AS
SELECT
    row_number() OVER (ORDER BY try_cast(user_key AS BIGINT) NULLS LAST, user_key)::INTEGER AS "user",
    user_key::VARCHAR AS original,
    user_key,
    n
FROM user_counts
WHERE round IS NULL AND n > 0
ORDER BY "user";

CREATE TABLE items AS
SELECT
    row_number() OVER (ORDER BY try_cast(item_key AS BIGINT) NULLS LAST, item_key)::INTEGER AS item,
    item_key::VARCHAR AS original,
    item_counts.item_key,
    n,
    title,
    brand,
    category,
    description
FROM item_counts
LEFT JOIN (
    -- Of several lines about an item, the first that says something of a column counts.
    SELECT
        trim(item) AS original,
        arg_min(nullif(trim(title), ''), line) AS title,
        arg_min(nullif(trim(brand), ''), line) AS brand,
        arg_min(nullif(trim(category), ''), line) AS category,
        arg_min(nullif(trim(description), ''), line) AS description
    FROM raw_items
    GROUP BY ALL
) AS texts ON texts.original = item_key::VARCHAR
WHERE round IS NULL AND n > 0
ORDER BY item;
