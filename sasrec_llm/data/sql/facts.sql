-- What the card says of the prepared rows. In their order, rows of one user and moment follow each other; ties are the rows
-- that are like the one before them, and one more for each that is not like the one before it but like the one behind it.
WITH neighbours AS (
    SELECT
        "user",
        lag("user") OVER () AS user_before,
        lag("user", 2) OVER () AS user_earlier,
        seconds,
        lag(seconds) OVER () AS seconds_before,
        lag(seconds, 2) OVER () AS seconds_earlier
    FROM ordered
),
alike AS (
    SELECT
        count(*) FILTER ("user" = user_before AND seconds = seconds_before) AS two,
        count(*) FILTER ("user" = user_earlier AND seconds = seconds_earlier) AS three  -- since they are in order
    FROM neighbours
)
SELECT
    sum(sums.n)::BIGINT AS kept,
    (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM items) AS items,
    sum(likes) / kept AS liked_share,
    min(first) AS first_time,
    max(last) AS last_time,
    (SELECT 2 * two - three FROM alike) AS ties,
    (SELECT count(*) FROM items WHERE title IS NULL) AS untitled,
    (SELECT count(*) FROM rejected WHERE file = 'items') AS lost_items,
    (SELECT count(title) FROM items) AS title,
    (SELECT count(brand) FROM items) AS brand,
    (SELECT count(category) FROM items) AS category,
    (SELECT count(description) FROM items) AS description
FROM sums
