-- Of every reason the first lines, and how many there are.
SELECT file, reason, count(*) OVER (PARTITION BY file, reason) AS n, line, text
FROM rejects
QUALIFY row_number() OVER (PARTITION BY file, reason ORDER BY line) <= getvariable('shown')
ORDER BY file, reason, line
