-- Sites, and trials at them.

CREATE TYPE murallink.site_name AS (uid murallink.ksuid, name text);
COMMENT ON TYPE murallink.site_name IS 'A site inside another answer.';

CREATE TYPE murallink.trial_site_info AS (
    uid murallink.ksuid,
    site_uid murallink.ksuid,
    trial_uid murallink.ksuid,
    site murallink.site_name,
    trial murallink.trial_info
);
COMMENT ON TYPE murallink.trial_site_info IS 'A trial at a site, as add_trial_site answers.';

CREATE DOMAIN murallink.optional_trial_sites AS murallink.trial_site_info[];
COMMENT ON DOMAIN murallink.optional_trial_sites IS 'Trials at a site that the JSON protocol leaves out where they are not asked for.';

CREATE TYPE murallink.site_info AS (
    uid murallink.ksuid,
    name text,
    contract_uid murallink.ksuid,
    time_zone murallink.optional_text,
    trial_sites murallink.optional_trial_sites
);
COMMENT ON TYPE murallink.site_info IS 'A site, as create_site answers. trial_sites: in the answer of get_site.';

CREATE FUNCTION murallink_private.trial_site_info(trial_site_uid murallink.ksuid) RETURNS murallink.trial_site_info
LANGUAGE sql STABLE AS $$
    SELECT a.uid, a.site_uid, a.trial_uid,
        CASE WHEN murallink_private.permitted('view_sites', s.client_uid, s.contract_uid, NULL, s.uid)
             THEN ROW(s.uid, s.name)::murallink.site_name END,
        CASE WHEN murallink_private.permitted('view_trials', t.client_uid, t.contract_uid, t.uid, NULL)
             THEN murallink_private.trial_info(t.uid) END
    FROM murallink.trial_site a JOIN murallink.site s ON s.uid = a.site_uid JOIN murallink.trial t ON t.uid = a.trial_uid
    WHERE a.uid = trial_site_uid
$$;
COMMENT ON FUNCTION murallink_private.trial_site_info(murallink.ksuid) IS
'A trial at a site as clients see it: the site and the trial are filled in if the caller may see them.';

CREATE FUNCTION murallink_private.site_info(site_uid murallink.ksuid, with_trials boolean DEFAULT false) RETURNS murallink.site_info
LANGUAGE sql STABLE AS $$
    SELECT s.uid, s.name, s.contract_uid, s.time_zone, CASE WHEN with_trials THEN ARRAY(
        SELECT murallink_private.trial_site_info(a.uid) FROM murallink.trial_site a
        WHERE a.site_uid = s.uid AND (
            murallink_private.permitted('view_sites', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid)
            OR murallink_private.permitted('view_trials', a.client_uid, a.contract_uid, a.trial_uid, a.site_uid))
        ORDER BY a.created_at, a.uid) END
    FROM murallink.site s WHERE s.uid = $1
$$;
COMMENT ON FUNCTION murallink_private.site_info(murallink.ksuid, boolean) IS
'A site as clients see it. with_trials: whether also the trials there that the caller may see.';

CREATE FUNCTION murallink_private.associate_site(trial_uid murallink.ksuid, site_uid murallink.ksuid) RETURNS murallink.ksuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    added murallink.ksuid;
BEGIN
    INSERT INTO murallink.trial_site (client_uid, contract_uid, trial_uid, site_uid)
    SELECT t.client_uid, t.contract_uid, t.uid, associate_site.site_uid FROM murallink.trial t WHERE t.uid = associate_site.trial_uid
    ON CONFLICT ON CONSTRAINT trial_site_trial_uid_site_uid_key DO NOTHING RETURNING uid INTO added;
    IF added IS NULL THEN
        PERFORM murallink_private.raise('already_exists', 'site_uid');
    END IF;
    RETURN added;
END
$$;
COMMENT ON FUNCTION murallink_private.associate_site(murallink.ksuid, murallink.ksuid) IS
'Makes a site take part in a trial and returns the uid of that. Errors: already_exists.';

CREATE FUNCTION murallink.create_site(
    name text DEFAULT NULL, trial_uid murallink.ksuid DEFAULT NULL, contract_uid murallink.ksuid DEFAULT NULL,
    time_zone text DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_contract murallink.contract;
    the_trial murallink.trial;
    added murallink.ksuid;
BEGIN
    IF create_site.trial_uid IS NULL THEN
        SELECT * INTO the_contract FROM murallink.contract
        WHERE uid = murallink_private.required(create_site.contract_uid, 'contract_uid');
        PERFORM murallink_private.permit('create_site', the_contract.client_uid, the_contract.uid, NULL, NULL, 'contract_uid');
    ELSE
        SELECT * INTO the_trial FROM murallink.trial WHERE uid = create_site.trial_uid;
        PERFORM murallink_private.permit('create_site', the_trial.client_uid, the_trial.contract_uid, the_trial.uid, NULL, 'trial_uid');
        IF create_site.contract_uid <> the_trial.contract_uid THEN
            PERFORM murallink_private.raise('invalid_value', 'contract_uid', 'The contract of the trial, or absent.');
        END IF;
        SELECT * INTO the_contract FROM murallink.contract WHERE uid = the_trial.contract_uid;
    END IF;
    PERFORM murallink_private.reference_unused('site', the_contract.client_uid, create_site.source, create_site.ref);
    INSERT INTO murallink.site (client_uid, contract_uid, name, time_zone)
    VALUES (
        the_contract.client_uid, the_contract.uid, murallink_private.checked_label(create_site.name, 'name', 200, true),
        murallink_private.checked_time_zone(create_site.time_zone, 'time_zone'))
    RETURNING uid INTO added;
    IF the_trial.uid IS NOT NULL THEN
        PERFORM murallink_private.associate_site(the_trial.uid, added);
    END IF;
    PERFORM murallink_private.refer('site', added, create_site.source, create_site.ref);
    RETURN murallink_private.site_info(added);
END
$$;
COMMENT ON FUNCTION murallink.create_site(text, murallink.ksuid, murallink.ksuid, text, text, text) IS
'Adds a site to a contract (document: Create Site). trial_uid or contract_uid is required; with trial_uid the site takes part in that trial at once. time_zone: a name of the tz database; source, ref: what another system calls the site, as set_reference takes them; a repetition with the same is refused (already_exists, field ref), and find_reference shows what there is. Needs create_site on the contract or on the trial. Errors: unauthenticated, forbidden, not_found, missing_field, too_long, invalid_value, already_exists (the reference).';

CREATE FUNCTION murallink.add_trial_site(trial_uid murallink.ksuid DEFAULT NULL, site_uid murallink.ksuid DEFAULT NULL)
RETURNS murallink.trial_site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    permitted_trial murallink.ksuid := murallink_private.permit_trial(trial_uid, 'add_trial_site', 'trial_uid');
    permitted_site murallink.ksuid := murallink_private.permit_site(site_uid, 'add_trial_site', 'site_uid');
    added murallink.ksuid := murallink_private.associate_site(permitted_trial, permitted_site);
BEGIN
    RETURN murallink_private.trial_site_info(added);
END
$$;
COMMENT ON FUNCTION murallink.add_trial_site(murallink.ksuid, murallink.ksuid) IS
'Associates a site with a trial, also one of another contract (document: Add Trial Site). Needs add_trial_site on both. Errors: unauthenticated, forbidden, not_found, missing_field, already_exists.';

CREATE FUNCTION murallink.get_sites() RETURNS SETOF murallink.site_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.permit_somewhere('view_sites');
    RETURN QUERY
    SELECT i.* FROM murallink.site s, LATERAL murallink_private.site_info(s.uid) i
    WHERE murallink_private.permitted('view_sites', s.client_uid, s.contract_uid, NULL, s.uid)
    ORDER BY s.created_at, s.uid;
END
$$;
COMMENT ON FUNCTION murallink.get_sites() IS
'The sites on which the caller holds view_sites, in the order of their creation (document: Get Sites). Errors: unauthenticated, forbidden (if the caller holds it nowhere).';

CREATE FUNCTION murallink_private.permit_site(site_uid murallink.ksuid, permission murallink.permission, field text)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    the_site murallink.site;
BEGIN
    SELECT * INTO the_site FROM murallink.site s WHERE s.uid = murallink_private.required(permit_site.site_uid, field);
    PERFORM murallink_private.permit(permission, the_site.client_uid, the_site.contract_uid, NULL, the_site.uid, field);
    RETURN the_site.uid;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_site(murallink.ksuid, murallink.permission, text) IS
'The uid of a site on which the caller holds the permission. field: named in errors. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink_private.permit_trial_site(trial_site_uid murallink.ksuid, permission murallink.permission, field text)
RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    place murallink.trial_site;
BEGIN
    SELECT * INTO place FROM murallink.trial_site s WHERE s.uid = murallink_private.required(permit_trial_site.trial_site_uid, field);
    PERFORM murallink_private.permit(permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, field);
    RETURN place.uid;
END
$$;
COMMENT ON FUNCTION murallink_private.permit_trial_site(murallink.ksuid, murallink.permission, text) IS
'The uid of a trial at a site on which the caller holds the permission. field: named in errors. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.get_site(uid murallink.ksuid DEFAULT NULL) RETURNS murallink.site_info
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN murallink_private.site_info(murallink_private.permit_site(uid, 'view_sites', 'uid'), true);
END
$$;
COMMENT ON FUNCTION murallink.get_site(murallink.ksuid) IS
'A site and the trials there (document: Get Site); a trial is named if the caller holds view_trials on it. Needs view_sites on the site. Errors: unauthenticated, forbidden, missing_field, not_found.';

CREATE FUNCTION murallink.edit_site(
    uid murallink.ksuid DEFAULT NULL, name text DEFAULT NULL, time_zone text DEFAULT NULL,
    contract_uid murallink.read_only DEFAULT NULL, trial_sites murallink.read_only DEFAULT NULL, source text DEFAULT NULL, ref text DEFAULT NULL
) RETURNS murallink.site_info
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.require_admin(), murallink_private.required(edit_site.uid, 'uid');
    PERFORM murallink_private.unchanged(edit_site.contract_uid, ARRAY[s.contract_uid::text], 'contract_uid')
    FROM murallink.site s WHERE s.uid = edit_site.uid;
    UPDATE murallink.site s SET
        name = murallink_private.checked_label(coalesce(edit_site.name, s.name), 'name', 200, true),
        time_zone = murallink_private.checked_time_zone(coalesce(edit_site.time_zone, s.time_zone), 'time_zone'),
        updated_at = pg_catalog.clock_timestamp()
    WHERE s.uid = edit_site.uid;
    IF NOT FOUND THEN
        PERFORM murallink_private.raise('not_found', 'uid');
    END IF;
    PERFORM murallink_private.refer('site', edit_site.uid, edit_site.source, edit_site.ref);
    RETURN murallink_private.site_info(edit_site.uid);
END
$$;
COMMENT ON FUNCTION murallink.edit_site(murallink.ksuid, text, text, murallink.read_only, murallink.read_only, text, text) IS
'Changes a site (document: Edit Site). An argument that is absent, or null in SQL, changes nothing. time_zone: as create_site takes it, empty for none. contract_uid: the site''s, or absent; trial_sites: ignored; source, ref: what another system calls the site, if it has no other reference there, which only set_reference corrects. For admins. Errors: unauthenticated, forbidden, missing_field, not_found, too_long, invalid_value, already_exists (the reference).';

CREATE FUNCTION murallink.delete_site(site_uid murallink.ksuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM murallink_private.delete_resource('site', murallink_private.permit_site(site_uid, 'delete_site', 'site_uid'), 'site_uid');
    PERFORM murallink_private.say('site deleted');
END
$$;
COMMENT ON FUNCTION murallink.delete_site(murallink.ksuid) IS
'Deletes a site that takes part in no trial and has no patients, with the grants on it (document: Delete Site). Needs delete_site on the site. Errors: unauthenticated, forbidden, missing_field, not_found, in_use.';

CREATE FUNCTION murallink_private.resource(
    resource_uid murallink.ksuid, OUT kind text, OUT name text, OUT client_uid murallink.ksuid, OUT contract_uid murallink.ksuid,
    OUT trial_uid murallink.ksuid, OUT site_uid murallink.ksuid)
LANGUAGE sql STABLE AS $$
    SELECT 'client', name, uid, NULL::murallink.ksuid, NULL::murallink.ksuid, NULL::murallink.ksuid
    FROM murallink.client WHERE uid = resource_uid
    UNION ALL SELECT 'contract', name, client_uid, uid, NULL, NULL FROM murallink.contract WHERE uid = resource_uid
    UNION ALL SELECT 'trial', name, client_uid, contract_uid, uid, NULL FROM murallink.trial WHERE uid = resource_uid
    UNION ALL SELECT 'site', name, client_uid, contract_uid, NULL, uid FROM murallink.site WHERE uid = resource_uid
    UNION ALL SELECT 'trial_site', t.name || ' at ' || s.name, a.client_uid, a.contract_uid, a.trial_uid, a.site_uid
    FROM murallink.trial_site a JOIN murallink.trial t ON t.uid = a.trial_uid JOIN murallink.site s ON s.uid = a.site_uid
    WHERE a.uid = resource_uid
$$;
COMMENT ON FUNCTION murallink_private.resource(murallink.ksuid) IS
'The client, contract, trial, site or trial at a site with a uid, and its place; nulls if there is none.';

CREATE FUNCTION murallink_private.trial_visible(trial_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink.trial t WHERE t.uid = $1 AND murallink_private.visible(t.client_uid, t.contract_uid, t.uid, NULL))
    OR EXISTS (
        SELECT FROM murallink.trial_site s
        WHERE s.trial_uid = $1 AND murallink_private.visible(s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))
$$;
COMMENT ON FUNCTION murallink_private.trial_visible(murallink.ksuid) IS
'Whether the caller holds any permission on a trial, or on the trial at one of its sites, and so may learn that it exists.';

CREATE FUNCTION murallink_private.site_visible(site_uid murallink.ksuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM murallink.site s WHERE s.uid = $1 AND murallink_private.visible(s.client_uid, s.contract_uid, NULL, s.uid))
    OR EXISTS (
        SELECT FROM murallink.trial_site s
        WHERE s.site_uid = $1 AND murallink_private.visible(s.client_uid, s.contract_uid, s.trial_uid, s.site_uid))
$$;
COMMENT ON FUNCTION murallink_private.site_visible(murallink.ksuid) IS
'Whether the caller holds any permission on a site, or on a trial at the site, and so may learn that it exists.';

CREATE FUNCTION murallink_private.trial_at_site(
    trial_uid murallink.ksuid, site_uid murallink.ksuid, permission murallink.permission, field text DEFAULT 'site_uid'
) RETURNS murallink.ksuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    caller CONSTANT murallink.ksuid := murallink_private.require_caller();
    place murallink.trial_site;
BEGIN
    SELECT * INTO place FROM murallink.trial_site s
    WHERE s.trial_uid = murallink_private.required(trial_at_site.trial_uid, 'trial_uid')
    AND s.site_uid = murallink_private.required(trial_at_site.site_uid, field);
    IF FOUND THEN
        PERFORM murallink_private.permit(permission, place.client_uid, place.contract_uid, place.trial_uid, place.site_uid, 'trial_uid');
        RETURN place.uid;
    ELSIF NOT murallink_private.trial_visible(trial_at_site.trial_uid) THEN
        PERFORM murallink_private.raise('not_found', 'trial_uid');
    ELSIF NOT murallink_private.site_visible(trial_at_site.site_uid) THEN
        PERFORM murallink_private.raise('not_found', field);
    END IF;
    PERFORM murallink_private.raise('not_associated', field);
END
$$;
COMMENT ON FUNCTION murallink_private.trial_at_site(murallink.ksuid, murallink.ksuid, murallink.permission, text) IS
'The uid of a trial at a site, where the caller holds the permission. field: the name of the site in errors. Errors: unauthenticated, missing_field, forbidden, not_found, not_associated.';
