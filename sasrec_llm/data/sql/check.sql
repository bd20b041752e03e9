-- Every raw row becomes either a good row or a reject with a reason.
-- Times are seconds since 1970; milli-, micro- and nanoseconds and written dates are understood. Where there is a
-- position instead of a time, it stands in the place of the seconds as it is.
CREATE TABLE checked AS
WITH typed AS (
    SELECT
        line,
        nullif(trim("user"), '') AS user_key,
        nullif(trim(item), '') AS item_key,
        rating AS rating_text,
        try_cast(rating AS DOUBLE) AS rating,
        "timestamp" AS time_text,
        coalesce(
            try_cast("timestamp" AS DOUBLE),
            CASE WHEN getvariable('clock') = 'time' THEN epoch(try_cast("timestamp" AS TIMESTAMP)) END
        ) AS number,
        try_cast(label AS TINYINT) AS label,
        try_cast(split AS TINYINT) AS split
    FROM raw_interactions
)
SELECT
    *,
    CASE
        WHEN getvariable('clock') = 'position' THEN floor(number)
        WHEN number > 1e17 THEN floor(number / 1e9)
        WHEN number > 1e14 THEN floor(number / 1e6)
        WHEN number > 1e11 THEN floor(number / 1e3)
        ELSE floor(number)
    END AS seconds,
    CASE
        WHEN user_key IS NULL THEN 'no user'
        WHEN item_key IS NULL THEN 'no item'
        WHEN getvariable('has_rating') AND rating_text IS NULL THEN 'no rating'
        WHEN getvariable('has_rating') AND rating IS NULL THEN 'rating is not a number'
        WHEN NOT isfinite(coalesce(rating, 0)) THEN 'rating is not finite'
        WHEN time_text IS NULL THEN 'no ' || getvariable('clock')
        WHEN getvariable('clock') = 'position' AND coalesce(NOT (isfinite(number) AND number BETWEEN 0 AND 1e15), true)
            THEN 'position is not a number from 0 on'
        WHEN number IS NULL OR NOT isfinite(number) THEN 'time is neither a number nor a date'
        WHEN number < 0 THEN 'time before 1970'
        WHEN number >= 1e20 THEN 'time out of range'
    END AS reason
FROM typed;

INSERT INTO rejected
SELECT 'interactions', line, reason, concat_ws(' | ', user_key, item_key, rating_text, time_text) FROM checked WHERE reason IS NOT NULL;

-- The same user, item and second more than once: the last line counts, the others are merged into it.
CREATE TABLE good AS
SELECT
    line,
    user_key,
    item_key,
    rating,
    seconds::BIGINT AS seconds,
    coalesce(label, CASE WHEN getvariable('has_rating') THEN (rating >= getvariable('like_at'))::TINYINT ELSE 1 END) AS label,
    split
FROM checked
WHERE reason IS NULL
QUALIFY row_number() OVER (PARTITION BY user_key, item_key, seconds ORDER BY line DESC) = 1;

SET VARIABLE merged = (SELECT count(*) FROM checked WHERE reason IS NULL) - (SELECT count(*) FROM good);
DROP TABLE checked;
