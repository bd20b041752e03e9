-- Rows of each part, from the number of rows of each month. Not where a split was published.
WITH months AS (
    SELECT 12 * year(moment) + month(moment) AS month, sum(n)::BIGINT AS n
    FROM (SELECT make_timestamp(day * 86400000000) AS moment, n FROM days)
    GROUP BY month
),
numbered_months AS (SELECT month - min(month) OVER () AS number, n FROM months),
placed AS (SELECT number + unnest(range(1, n + 1)) / n AS place FROM numbered_months WHERE number BETWEEN 13 AND 34)
SELECT CASE WHEN place <= 24 THEN 0 WHEN place <= 29 THEN 1 ELSE 2 END AS part, count(*) AS n
FROM placed
WHERE place > 14 AND place <= 34
GROUP BY part
