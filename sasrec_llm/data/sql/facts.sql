-- What the card says of the prepared rows.
SELECT
    count(*) AS kept,
    (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM items) AS items,
    avg(label) AS liked_share,
    min("timestamp") AS first_time,
    max("timestamp") AS last_time,
    (
        SELECT coalesce(sum(n), 0)
        FROM (SELECT count(*) AS n FROM interactions SEMI JOIN ties USING (line) GROUP BY "user", "timestamp" HAVING n > 1)
    ) AS ties,
    (SELECT count(*) FROM items WHERE title IS NULL) AS untitled,
    (SELECT count(*) FROM rejected WHERE file = 'items') AS lost_items,
    (SELECT count(title) FROM items) AS title,
    (SELECT count(brand) FROM items) AS brand,
    (SELECT count(category) FROM items) AS category,
    (SELECT count(description) FROM items) AS description
FROM interactions
