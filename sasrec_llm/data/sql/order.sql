-- The order that everything else relies on: by user, then time, then line of the file. Some rows at a time, so that a
-- sort fits into memory: from the `first` row on, up to and without the `last`.
INSERT INTO ordered
SELECT COLUMNS(getvariable('ordered_columns'))
FROM placed
WHERE "user" BETWEEN getvariable('first_user') AND getvariable('last_user')
AND (
    "user" > getvariable('first_user')
    OR seconds > getvariable('first_seconds')
    OR seconds = getvariable('first_seconds') AND line >= getvariable('first_line')
)
AND (
    "user" < getvariable('last_user')
    OR seconds < getvariable('last_seconds')
    OR seconds = getvariable('last_seconds') AND line < getvariable('last_line')
)
ORDER BY "user", seconds, line
