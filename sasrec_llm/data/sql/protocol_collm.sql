-- Calendar months since the first rating (UTC). A row's place is its month plus the share of the month's rows that it ends;
-- train, validation and test lie between four places, (14, 24], (24, 29] and (29, 34] unless `months` names others.
-- A dataset that brings the published split keeps it, unless it does.
WITH months AS (
    SELECT *, 12 * year(make_timestamp("timestamp" * 1000000)) + month(make_timestamp("timestamp" * 1000000)) AS month
    FROM interactions
),
placed AS (
    SELECT
        * EXCLUDE (month),
        month - min(month) OVER () + row_number() OVER (PARTITION BY month ORDER BY "timestamp", line)
        / count(*) OVER (PARTITION BY month) AS place
    FROM months
)
SELECT
    *,
    coalesce(
        CASE WHEN getvariable('months') IS NULL THEN split END,
        CASE
            WHEN place <= ends[1] OR place > ends[4] THEN NULL
            WHEN place <= ends[2] THEN 0
            WHEN place <= ends[3] THEN 1
            ELSE 2
        END
    ) AS part
FROM placed, (SELECT string_split(coalesce(getvariable('months'), '14,24,29,34'), ',')::DOUBLE[] AS ends)
