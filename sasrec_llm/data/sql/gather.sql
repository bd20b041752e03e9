-- The same of rows that have their ids, from many files that are in this order already.
INSERT INTO ordered
SELECT "user", item, rating, label, seconds, split, line
FROM good
WHERE "user" BETWEEN getvariable('first_user') AND getvariable('last_user')
ORDER BY "user", seconds, line
