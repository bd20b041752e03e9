-- Every raw row becomes a good row or a bad one, in one pass over the file; the reasons of bad ones take a second.
-- Times are seconds since 1970; milli-, micro- and nanoseconds and written dates are understood. Where there is a
-- position instead of a time, it stands in the place of the seconds as it is. A key or a time that
-- does not fit the narrow type that was chosen for its column is a `misfit`: with a wider type it is all done again.
-- Of `checked`, which is to be narrow, bad rows are those without a user.
CREATE OR REPLACE VIEW judged AS
WITH typed AS (
    SELECT
        * EXCLUDE (rating, label, split),
        kept_user("user") AS user_key,
        kept_item(item) AS item_key,
        rating AS rating_text,
        try_cast(try_cast(rating AS DOUBLE) AS FLOAT) AS rating,
        coalesce(
            try_cast("timestamp" AS DOUBLE),
            CASE WHEN getvariable('clock') = 'time' THEN epoch(try_cast("timestamp" AS TIMESTAMP)) END
        ) AS number,
        label AS label_text,
        try_cast(label AS TINYINT) AS label,
        split AS split_text,
        try_cast(split AS TINYINT) AS split
    FROM raw
)
SELECT
    *,
    NOT coalesce(
        user_key IS NOT NULL
        AND item_key IS NOT NULL
        AND number >= 0
        AND number < CASE WHEN getvariable('clock') = 'position' THEN 1e15 ELSE 1e20 END
        AND (isfinite(rating) OR NOT getvariable('has_rating'))
        AND (label_text IS NULL OR label IN (0, 1))
        AND (split_text IS NULL OR split IN (0, 1, 2)),
        false
    ) AS bad,
    CASE
        WHEN user_key IS NULL THEN CASE WHEN trim("user") <> '' THEN 'misfit user' ELSE 'no user' END
        WHEN item_key IS NULL THEN CASE WHEN trim(item) <> '' THEN 'misfit item' ELSE 'no item' END
        WHEN getvariable('has_rating') AND rating_text IS NULL THEN 'no rating'
        WHEN getvariable('has_rating') AND try_cast(rating_text AS DOUBLE) IS NULL THEN 'rating is not a number'
        WHEN getvariable('has_rating') AND rating IS NULL THEN 'rating is too large'
        WHEN NOT isfinite(coalesce(rating, 0)) THEN 'rating is not finite'
        WHEN "timestamp" IS NULL THEN 'no ' || getvariable('clock')
        WHEN getvariable('clock') = 'position' AND NOT coalesce(number >= 0 AND number < 1e15, false)
            THEN 'position is not a number from 0 on'
        WHEN number IS NULL OR NOT isfinite(number) THEN 'time is neither a number nor a date'
        WHEN number < 0 THEN 'time before 1970'
        WHEN number >= 1e20 THEN 'time out of range'
        WHEN NOT coalesce(label_text IS NULL OR label IN (0, 1), false) THEN 'label is neither 0 nor 1'
        WHEN NOT coalesce(split_text IS NULL OR split IN (0, 1, 2), false) THEN 'split is neither 0, 1 nor 2'
    END AS reason,  -- of bad rows
    concat_ws(' | ', user_key, item_key, rating_text, "timestamp", label_text, split_text) AS text
FROM typed;

CREATE OR REPLACE TABLE checked AS
SELECT COLUMNS(getvariable('checked_columns'))
FROM (
    SELECT
        * REPLACE (CASE WHEN NOT bad THEN user_key END AS user_key, coalesce(label, liked(rating)) AS label),
        kept_time(CASE
            WHEN number <= 1e11 OR getvariable('clock') = 'position' THEN floor(number)
            WHEN number > 1e17 THEN floor(number / 1e9)
            WHEN number > 1e14 THEN floor(number / 1e6)
            ELSE floor(number / 1e3)
        END) AS seconds
    FROM judged
);
