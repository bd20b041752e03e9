-- Rows of each part, from the number of rows of each user.
SELECT
    unnest([0, 1, 2]) AS part,
    unnest([sum(CASE WHEN n < 3 THEN n ELSE n - 2 END), count(*) FILTER (n >= 3), count(*) FILTER (n >= 3)])::BIGINT AS n
FROM sums
