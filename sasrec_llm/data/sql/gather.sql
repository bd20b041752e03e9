-- The same of rows that have their ids, from files of which each holds some users, or all in order.
INSERT INTO ordered
SELECT "user", item, rating, label, seconds, split, line
FROM good
WHERE "user" BETWEEN getvariable('first_user') AND getvariable('last_user')
ORDER BY "user", seconds, line
