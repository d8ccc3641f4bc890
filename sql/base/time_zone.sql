-- Time zones: the check, and the local time of a moment.

CREATE FUNCTION murallink_private.known_time_zone(name text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_zone_known';
COMMENT ON FUNCTION murallink_private.known_time_zone(text) IS
'Whether the tz database has a time zone of exactly this name, such as America/Chicago.';

CREATE FUNCTION murallink_private.moment_in_zone(local_time timestamp, time_zone text) RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_zone_moment';
COMMENT ON FUNCTION murallink_private.moment_in_zone(timestamp, text) IS
'When it is this local time in a time zone of the tz database, as AT TIME ZONE says, but by the rules of the database also for names that are abbreviations, too: CET, EET, MET, WET. Null for an unknown zone.';

CREATE FUNCTION murallink_private.local_time(moment timestamptz, time_zone text) RETURNS timestamp
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_zone_local';
COMMENT ON FUNCTION murallink_private.local_time(timestamptz, text) IS
'The local time of a moment in a time zone of the tz database, as moment_in_zone() takes it. Null for an unknown zone.';

CREATE FUNCTION murallink_private.local_day(moment timestamptz, time_zone text) RETURNS date
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'time_zone_local_day';
COMMENT ON FUNCTION murallink_private.local_day(timestamptz, text) IS
'The day of a moment in a time zone of the tz database, in UTC for an unknown zone.';

CREATE FUNCTION murallink_private.checked_time_zone(time_zone text, field text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone CONSTANT text := murallink_private.checked_text(time_zone, field, 60, false);
BEGIN
    IF zone <> '' AND NOT murallink_private.known_time_zone(zone) THEN
        PERFORM murallink_private.raise('invalid_value', field, 'A time zone has a name of the tz database, such as Europe/Vienna.');
    END IF;
    RETURN zone;
END
$$;
COMMENT ON FUNCTION murallink_private.checked_time_zone(text, text) IS
'The name of a time zone of the tz database, empty for null. field: its name in errors. Errors: too_long, invalid_value.';
