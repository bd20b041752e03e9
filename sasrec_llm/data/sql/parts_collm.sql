-- Rows of each part, from the number of rows of each month: all cuts lie between two months. Not where a split was
-- published.
WITH months AS (
    SELECT 12 * year(moment) + month(moment) AS month, sum(n)::BIGINT AS n
    FROM (SELECT make_timestamp(day * 86400000000) AS moment, n FROM days)
    GROUP BY month
),
numbered_months AS (SELECT month - min(month) OVER () AS number, n FROM months)
SELECT CASE WHEN number < 24 THEN 0 WHEN number < 29 THEN 1 ELSE 2 END AS part, sum(n)::BIGINT AS n
FROM numbered_months
WHERE number BETWEEN 14 AND 33
GROUP BY part
