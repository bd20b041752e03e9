-- Calendar months since the first rating (UTC): 14-23 train, 24-28 valid, 29-33 test, the others left out.
-- A dataset that brings the published split keeps it.
WITH months AS (
    SELECT *, 12 * year(make_timestamp("timestamp" * 1000000)) + month(make_timestamp("timestamp" * 1000000)) AS month
    FROM interactions
)
SELECT
    *,
    coalesce(
        split,
        CASE
            WHEN month - first_month BETWEEN 14 AND 23 THEN 0
            WHEN month - first_month BETWEEN 24 AND 28 THEN 1
            WHEN month - first_month BETWEEN 29 AND 33 THEN 2
        END
    ) AS part
FROM months, (SELECT min(month) AS first_month FROM months)
