-- What the card says of the prepared rows. In their order, rows of one user and moment follow each other; a tie is any of
-- two or more.
WITH neighbours AS (
    SELECT "user", lag("user") OVER () AS user_before, seconds, lag(seconds) OVER () AS seconds_before FROM ordered
),
same AS (
    SELECT coalesce("user" = user_before AND seconds IS NOT DISTINCT FROM seconds_before, false) AS again FROM neighbours
),
repeats AS (SELECT again, coalesce(lag(again) OVER (), false) AS before FROM same)
SELECT
    count(*) AS kept,
    (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM items) AS items,
    avg(label) AS liked_share,
    min("timestamp") AS first_time,
    max("timestamp") AS last_time,
    (SELECT count_if(again) + count_if(again AND NOT before) FROM repeats) AS ties,
    (SELECT count(*) FROM items WHERE title IS NULL) AS untitled,
    (SELECT count(*) FROM rejected WHERE file = 'items') AS lost_items,
    (SELECT count(title) FROM items) AS title,
    (SELECT count(brand) FROM items) AS brand,
    (SELECT count(category) FROM items) AS category,
    (SELECT count(description) FROM items) AS description
FROM interactions
