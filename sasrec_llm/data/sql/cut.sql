-- The rows, and of which file each is: users of like ids are in the same.
SELECT *, "user" * getvariable('files')::BIGINT // (1 + (SELECT max("user") FROM users)) AS file
FROM placed
