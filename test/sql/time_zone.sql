-- Which names are time zones: those of the tz database, as they are written there.
\set SHOW_CONTEXT never

-- What PostgreSQL lists is known, but for other ways to the same zones
SELECT count(*) > 400 AS many, bool_and(murallink_private.known_time_zone(name)) AS known FROM pg_timezone_names
WHERE name !~ '^(posix/|posixrules$|localtime$)';
SELECT count(*) FROM pg_timezone_names WHERE name ~ '^(posix/|posixrules$|localtime$)' AND murallink_private.known_time_zone(name);

-- Nothing else is: no other case, no abbreviation, no offset, no POSIX rule, no file, nothing of that length
SELECT string_agg(name, ' ') AS known FROM (VALUES
    ('europe/zurich'), ('EUROPE/ZURICH'), ('utc'), ('gmt'), ('CEST'), ('+02:00'), ('-2'), ('UTC+2'), ('FOO+3'), ('EST5EDT4'), ('Mars/Phobos'),
    ('Mars/Phobos+3'), ('Etc/GMT+99'), ('Etc/GMT+13'), ('Etc/GMT+100'), ('Etc/GMT+1a'), ('Etc/GMT++1'), ('Etc/GMT1'), (''), (' UTC'),
    ('Europe'), ('Europe/'), ('Europe//Zurich'), ('/usr/share/zoneinfo/UTC'), ('../zoneinfo/UTC'), ('Europe/../UTC'), ('E/../../etc/passwd'),
    ('tzdata.zi'), ('right/UTC'), (repeat('A', 255)), (repeat('A', 256)), (repeat('Ü', 100000))) AS other (name)
WHERE murallink_private.known_time_zone(name);
SELECT murallink_private.known_time_zone(NULL);

-- A field that has one is empty or names it
SELECT murallink_private.checked_time_zone(NULL, 'zone') AS null, murallink_private.checked_time_zone(' ', 'zone') AS blank,
    murallink_private.checked_time_zone(' America/Chicago ', 'zone') AS trimmed;
SELECT test.refusal(format('SELECT murallink_private.checked_time_zone(%L, ''zone'')', name))
FROM (VALUES ('america/chicago'), ('Mars/Phobos'), (repeat('A', 61)), (E'America/\u0007')) AS refused (name);
